//! Numbers of care: patients, providers, insurance, codes of diagnoses and procedures.

use super::super::checksum::{luhn, luhn_sum, value, weighted};
use super::super::registers;
use super::{Label, checked, in_care, named};
use crate::category::Category;

const RECORD: Category = Category::health("medical-record-number");
const PLAN: Category = Category::health("health-plan-number");
const NPI: Category = Category::health("provider-number");
const DIAGNOSIS: Category = Category::health("diagnosis-code");
const PROCEDURE: Category = Category::health("procedure-code");
const DRUG: Category = Category::health("drug-code");

/// How records of patients are numbered.
const RECORD_SHAPES: &[&str] = &["d{5,12}", "a{1,4}d{4,10}", "a{1,3}d{2,4}a{1,2}d{2,8}"];

/// The record of a patient, by words that name nothing else.
pub(super) const PATIENT_RECORD: Label = named(
    RECORD,
    "mrn|medical record|medical record number|medical record no|patient id|patient number|patient no|patient identifier|\
     hospital number|patientennummer|patienten id|patienten nr|aktenzeichen patient|krankenaktennummer|numéro de patient|\
     número de historia clínica|numero paziente|patiëntnummer|patientnummer|patiënt id|numer pacjenta|karta pacjenta|\
     número do paciente|número de prontuário",
    RECORD_SHAPES,
    is_varied,
);

/// The words, in eight languages.
pub(super) const LABELS: &[Label] = &[
    PATIENT_RECORD,
    named(
        RECORD,
        "med rec|chart number|chart no|encounter number|visit number|accession number|fallnummer|numéro de dossier|\
         numero de dossier|dossier médical|dossier medical|ipp|historia clínica|historia clinica|nhc|cartella clinica|numer karty|\
         numer kartoteki|prontuário|prontuario|número de utente|processo clínico",
        RECORD_SHAPES,
        is_varied,
    ),
    named(
        PLAN,
        "member id|member number|health plan|health plan number|policy id|insurance id|insurance number|insurance policy|beneficiary id|\
         subscriber id|medicaid|medicaid id|medicare id|hicn|group number|krankenversicherungsnummer|versichertennummer|\
         krankenkassennummer|numéro d'assuré|numero d'assure|mutuelle|número de afiliado|número de seguro|tessera sanitaria|\
         verzekeringsnummer|polisnummer zorg|numer ubezpieczenia|número de beneficiário|cartão nacional de saúde|cns",
        &["a{1,4}d{5,14}", "d{8,15}", "d{2,4}a{1,3}d{3,10}", "a{1,4}d{2,6}a{1,3}d{2,8}"],
        is_varied,
    ),
    checked(
        PLAN,
        "mbi|medicare beneficiary|medicare number|medicare",
        &["daxdaxdaadd"],
        registers::beneficiary,
    ),
    checked(
        PLAN,
        "kvnr|versichertennummer|krankenversichertennummer|versicherten nr|egk",
        &["ad{9}"],
        registers::krankenversicherung,
    ),
    checked(
        Category::health("nhs-number"),
        "nhs|nhs number|nhs no|health service number",
        &["d{10}"],
        registers::nhs,
    ),
    checked(NPI, "npi|national provider|provider identifier", &["d{10}"], is_provider),
    checked(
        Category::health("prescriber-number"),
        "dea|dea number|dea no|dea reg",
        &["aad{7}", "a9d{7}"],
        is_prescriber,
    ),
    named(
        DIAGNOSIS,
        "icd|icd 10|icd10|icd 10 cm|icd 10 gm|icd code|dx|diagnosis|diagnoses|diagnosis code|diagnose|diagnosen|hauptdiagnose|diagnostic principal|\
         diagnóstico|diagnostico|diagnosi|diagnoza|rozpoznanie|cim 10|cie 10|cid 10|assessment",
        &["ad{2}", "adxx{1,4}"],
        is_diagnosis,
    ),
    in_care(PROCEDURE, "cpt|cpt code|hcpcs|procedure code|billing code", &["d{5}", "d{4}F", "ad{4}"]),
    in_care(PROCEDURE, "loinc|loinc code|snomed|snomed ct|sctid", &["d{4,6}", "d{6,18}"]),
    in_care(PROCEDURE, "ops code|ops|drg|ms drg|ccam", &["da{0,1}d{2,4}", "d{3}", "a{4}d{3}"]),
    named(
        DRUG,
        "ndc|ndc code|national drug|pzn|pharmazentralnummer|rxnorm|rxcui",
        &["d{10,11}", "d{7,8}", "d{5,6}"],
        is_varied,
    ),
    checked(
        Category::health("european-health-insurance-number"),
        "ehic|european health insurance",
        &["80d{18}"],
        luhn,
    ),
];

fn is_varied(number: &[u8]) -> bool {
    number.iter().any(|byte| *byte != number[number.len() - 1])
}

/// National provider identifier: Luhn over `80840` and the number.
fn is_provider(number: &[u8]) -> bool {
    const PREFIX_SUM: u32 = 24;
    matches!(number[0], b'1' | b'2') && (luhn_sum(number) + PREFIX_SUM).is_multiple_of(10)
}

/// Number of the drug enforcement administration: a kind of registrant, then seven digits of which the last checks.
fn is_prescriber(number: &[u8]) -> bool {
    let sum = weighted(&number[2..], &[1, 2, 1, 2, 1, 2]);
    b"ABCDEFGHJKLMPRSTUX".contains(&number[0]) && sum % 10 == value(number[8])
}

/// ICD-10: a letter, two digits (the second may be A or B), up to four characters behind the point.
fn is_diagnosis(code: &[u8]) -> bool {
    matches!(code[2], b'0'..=b'9' | b'A' | b'B') && code.len() <= 7
}
