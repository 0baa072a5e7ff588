//! What authors write over what must not leave: markings of secrecy, of export control, of legal privilege.

use std::ops::Range;

use super::super::words::Word;
use super::{Label, read};
use crate::category::Category;

/// The markings, in eight languages; words that are used of other things stand in pairs only.
pub(super) const LABELS: &[Label] = &[read(
    Category::property("marking"),
    "strictly confidential|company confidential|confidential and proprietary|proprietary and confidential|\
     highly confidential|business confidential|trade secret|trade secrets of|for internal use only|\
     not for distribution|not for external distribution|under embargo until|attorney client privileged|\
     attorney client privilege|privileged and confidential|attorney work product|export controlled|itar controlled|\
     itar restricted|subject to the itar|ear controlled|cui//|controlled unclassified information|top secret//|noforn|\
     streng vertraulich|vertraulich behandeln|nur für den internen gebrauch|nur fuer den internen gebrauch|betriebsgeheimnis|\
     geschäftsgeheimnis|strictement confidentiel|usage interne uniquement|secret des affaires|estrictamente confidencial|\
     solo para uso interno|secreto comercial|strettamente riservato|solo per uso interno|segreto industriale|\
     strikt vertrouwelijk|uitsluitend voor intern gebruik|bedrijfsgeheim|ściśle poufne|tylko do użytku wewnętrznego|\
     tajemnica przedsiębiorstwa|estritamente confidencial|apenas para uso interno|segredo comercial",
    itself,
)];

fn itself(word: Word<'_>) -> Option<Range<usize>> {
    word.stands_alone().then_some(word.start..word.end)
}
