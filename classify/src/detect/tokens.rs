//! Values that prove themselves without a word before them: written in a form of their own, or with check digits of their
//! own, or both. One pass over the runs of letters and digits that hold a digit.

use std::ops::Range;
use std::sync::LazyLock;

use super::checksum::{base58check, bech32, mod_97};
use super::phone::PHONE;
use super::shape::is_written;
use super::{phone, registers, vehicle};
use crate::category::{Category, Found};
use crate::seek;

const NATIONAL: Category = Category::personal("national-id");
const TAX: Category = Category::personal("tax-id");
const VAT: Category = Category::personal("vat-id");
const POSTCODE: Category = Category::personal("postal-code");
const WALLET: Category = Category::financial("crypto-address");

/// One form, separators included, and what checks the value without them.
struct Form {
    category: Category,
    written: &'static str,
    check: fn(&[u8]) -> bool,
}

const fn form(category: Category, written: &'static str, check: fn(&[u8]) -> bool) -> Form {
    Form { category, written, check }
}

/// The forms; classes as in [`shape`](super::shape).
const FORMS: &[Form] = &[
    form(Category::health("health-plan-number"), "daxd-axd-aadd", registers::beneficiary),
    form(Category::health("health-plan-number"), "daxdaxdaadd", registers::beneficiary),
    form(NATIONAL, "dddddddda", registers::dni),
    form(NATIONAL, "dddddddd-a", registers::dni),
    form(NATIONAL, "Xddddddda", registers::dni),
    form(NATIONAL, "Yddddddda", registers::dni),
    form(NATIONAL, "Zddddddda", registers::dni),
    form(NATIONAL, "X-ddddddd-a", registers::dni),
    form(NATIONAL, "Y-ddddddd-a", registers::dni),
    form(NATIONAL, "aaaaaaddaddaddda", registers::codice_fiscale),
    form(NATIONAL, "aaa aaa ddadd addda", registers::codice_fiscale),
    form(NATIONAL, "d dd dd dd ddd ddd dd", registers::nir),
    form(NATIONAL, "d dd dd dx ddd ddd dd", registers::nir),
    form(NATIONAL, "ddddddddddddddd", registers::nir),
    form(NATIONAL, "dd.dd.dd-ddd.dd", registers::belgian),
    form(NATIONAL, "dddddd-dddd", registers::personnummer),
    form(NATIONAL, "dddddd-dddx", registers::hetu),
    form(NATIONAL, "dddddd+dddx", registers::hetu),
    form(NATIONAL, "ddddddAdddx", registers::hetu),
    form(NATIONAL, "ddddddddddd", registers::fodselsnummer),
    form(NATIONAL, "dddddd ddddd", registers::fodselsnummer),
    form(NATIONAL, "756.dddd.dddd.dd", registers::ahv),
    form(NATIONAL, "dddddd/dddd", registers::rodne_cislo),
    form(NATIONAL, "ddddddddaddd", registers::rentenversicherung),
    form(NATIONAL, "dd dddddd a ddd", registers::rentenversicherung),
    form(NATIONAL, "aadddddda", registers::nino),
    form(NATIONAL, "aa dd dd dd a", registers::nino),
    form(NATIONAL, "dddddddddddddddddd", registers::chinese),
    form(NATIONAL, "dddddddddddddddddX", registers::chinese),
    form(NATIONAL, "aaaaddddddaaaaaaxd", registers::curp),
    form(NATIONAL, "dddddd-ddddddd", registers::korean),
    form(NATIONAL, "addddddda", registers::nric),
    form(TAX, "ddd.ddd.ddd-dd", registers::cpf),
    form(TAX, "aaaaadddda", registers::pan),
    form(TAX, "dd ddd ddd ddd", registers::steuer_id),
    form(Category::personal("us-taxpayer-id"), "9dd-5d-dddd", is_itin),
    form(Category::personal("us-taxpayer-id"), "9dd-6d-dddd", is_itin),
    form(Category::personal("us-taxpayer-id"), "9dd-7d-dddd", is_itin),
    form(Category::personal("us-taxpayer-id"), "9dd-8d-dddd", is_itin),
    form(Category::personal("us-taxpayer-id"), "9dd-9d-dddd", is_itin),
    form(VAT, "ATUdddddddd", registers::vat),
    form(VAT, "BEdddddddddd", registers::vat),
    form(VAT, "DEddddddddd", registers::vat),
    form(VAT, "DKdddddddd", registers::vat),
    form(VAT, "FIdddddddd", registers::vat),
    form(VAT, "FRddddddddddd", registers::vat),
    form(VAT, "GBddddddddd", registers::vat),
    form(VAT, "ITddddddddddd", registers::vat),
    form(VAT, "LUdddddddd", registers::vat),
    form(VAT, "NLdddddddddBdd", is_dutch_vat),
    form(VAT, "PLdddddddddd", registers::vat),
    form(VAT, "PTddddddddd", registers::vat),
    form(VAT, "SEdddddddddddd", registers::vat),
    form(Category::personal("vehicle-id"), "xxxxxxxxxxxxxdddd", vehicle::is_checked),
];

/// What is found by its form.
pub(super) fn categories() -> impl Iterator<Item = Category> {
    FORMS.iter().map(|form| form.category).chain([NATIONAL, TAX, VAT, POSTCODE, WALLET])
}

/// Longest first run of a form.
const LONGEST_RUN: usize = 19;

/// States and territories of the United States, as their post calls them.
const STATES: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND \
                      OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR VI GU AS MP";

/// Postcode areas of the United Kingdom.
const AREAS: &str = "AB AL B BA BB BD BH BL BN BR BS BT CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT DY E EC EH EN EX \
                     FK FY G GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML \
                     N NE NG NN NP NR NW OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA \
                     TD TF TN TQ TR TS TW UB W WA WC WD WF WN WR WS WV YO ZE";

/// The forms by the length of their first run of letters and digits.
static BY_RUN: LazyLock<[Vec<&'static Form>; LONGEST_RUN]> = LazyLock::new(|| {
    let run = |form: &Form| form.written.bytes().take_while(u8::is_ascii_alphanumeric).count();
    std::array::from_fn(|length| FORMS.iter().filter(|form| run(form) == length).collect())
});

/// A run of letters and digits with a digit in it.
#[derive(Clone, Copy)]
struct Run<'a> {
    text: &'a [u8],
    start: usize,
    end: usize,
}

/// Reports the values in `text`.
pub(super) fn scan(text: &[u8], found: &mut Found) {
    let forms = &*BY_RUN;
    each_run(text, |run| {
        for form in forms.get(run.end - run.start).into_iter().flatten() {
            form.check(run, found);
        }
        match run.end - run.start {
            3 => short(run, found),
            5 => zip_code(run, found),
            26..=90 => wallet(run, found),
            _ => {}
        }
    });
}

fn each_run<'a>(text: &'a [u8], mut seen: impl FnMut(Run<'a>)) {
    let mut from = 0;
    while let Some(digit) = seek::next(text, from, |byte| byte.is_ascii_digit()) {
        let letters = text[from..digit].iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let length = text[digit..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let run = Run { text, start: digit - letters, end: digit + length };
        let lead = run.lead();
        lead.and_then(Run::lead).into_iter().chain(lead).for_each(&mut seen);
        seen(run);
        from = run.end;
    }
}

impl Form {
    fn check(&self, run: Run<'_>, found: &mut Found) {
        let Some(at) = is_written(run.text, run.start, self.written) else { return };
        let written = &run.text[at.clone()];
        let value: Vec<u8> = written.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
        if run.begins() && (self.check)(&value) {
            found.add(self.category, at, &value);
        }
    }
}

impl Run<'_> {
    /// The letters before it that a form begins with apart from its digits, as a codice fiscale in groups does.
    fn lead(self) -> Option<Self> {
        let head = &self.text[..self.start];
        let head = head.strip_suffix(b" ").or(head.strip_suffix(b"-"))?;
        let length = head.iter().rev().take(4).take_while(|byte| byte.is_ascii_uppercase()).count();
        let run = Self { start: head.len() - length, end: head.len(), ..self };
        let alone = run.start.checked_sub(1).is_none_or(|at| !self.text[at].is_ascii_alphanumeric());
        ((1..=3).contains(&length) && alone).then_some(run)
    }

    /// Whether nothing before it belongs to it: neither a letter of another alphabet nor a number with a sign between.
    fn begins(self) -> bool {
        match self.text[..self.start] {
            [.., before, b'-' | b'.' | b'/' | b',' | b':' | b'+'] => !before.is_ascii_digit(),
            [.., before] => before.is_ascii() && before != b'_',
            [] => true,
        }
    }
}

/// Runs of three: the area of an American telephone number, the end of a British postcode.
fn short(run: Run<'_>, found: &mut Found) {
    let value = &run.text[run.start..run.end];
    if value.iter().all(u8::is_ascii_digit) {
        if let Some(at) = phone::american(run.text, run.start) {
            let digits: Vec<u8> = run.text[at.clone()].iter().copied().filter(u8::is_ascii_digit).collect();
            found.add(PHONE, at, &digits);
        }
    } else if let [b'0'..=b'9', b'A'..=b'Z', b'A'..=b'Z'] = value
        && let Some(at) = british_postcode(run)
    {
        found.add(POSTCODE, at.clone(), &run.text[at]);
    }
}

/// `SW1A 1AA`: the outward half before the run.
fn british_postcode(run: Run<'_>) -> Option<Range<usize>> {
    let before = run.text[..run.start].strip_suffix(b" ")?;
    let length = before.iter().rev().take(5).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let outward = &before[before.len() - length..];
    let letters = outward.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let rest = &outward[letters..];
    let district = rest.first().is_some_and(u8::is_ascii_digit)
        && rest.len() <= 2
        && rest.last().is_some_and(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    let area = AREAS.split_whitespace().any(|area| area.as_bytes() == &outward[..letters]);
    let ends = run.text.get(run.end).is_none_or(|byte| byte.is_ascii() && !matches!(byte, b'_' | b'-'));
    (district && area && ends).then_some(before.len() - length..run.end)
}

/// `, CA 94107`: a state before five digits.
fn zip_code(run: Run<'_>, found: &mut Found) {
    let state = run.text[..run.start].strip_suffix(b" ").and_then(|head| {
        let (head, state) = head.split_at_checked(head.len().checked_sub(2)?)?;
        (head.ends_with(b", ") || head.ends_with(b",")).then_some(state)
    });
    let known = state.is_some_and(|state| STATES.split_whitespace().any(|known| known.as_bytes() == state));
    if known && run.text[run.start..run.end].iter().all(u8::is_ascii_digit) {
        found.add(POSTCODE, run.start..run.end, &run.text[run.start..run.end]);
    }
}

/// Addresses of wallets: Base58 with a version that a currency uses, or Bech32 with its prefix.
fn wallet(run: Run<'_>, found: &mut Found) {
    const VERSIONS: [u8; 7] = [0x00, 0x05, 0x1e, 0x30, 0x32, 0x41, 0x4c];
    let value = &run.text[run.start..run.end];
    let is_wallet = match value {
        [b'1' | b'3' | b'D' | b'L' | b'M' | b'T' | b'X', ..] if value.len() <= 35 => {
            base58check(value).is_some_and(|(version, size)| size == 20 && VERSIONS.contains(&version))
        }
        [b'b', b'c', b'1', ..] | [b'l', b't', b'c', b'1', ..] => bech32(value),
        [b'0', b'x', digits @ ..] => {
            digits.len() == 40 && digits.iter().all(u8::is_ascii_hexdigit) && is_named(run)
        }
        _ => false,
    };
    if is_wallet {
        found.add(WALLET, run.start..run.end, value);
    }
}

/// Forty hexadecimal digits are many things; the words around them say which.
fn is_named(run: Run<'_>) -> bool {
    const WORDS: [&str; 9] =
        ["eth", "wallet", "crypto", "usdt", "usdc", "erc20", "erc-20", "metamask", "blockchain"];
    super::has_context(run.text, run.start..run.end, &WORDS)
}

fn is_itin(number: &[u8]) -> bool {
    number.iter().any(|digit| *digit != number[8])
}

fn is_dutch_vat(number: &[u8]) -> bool {
    registers::vat(number) || mod_97(number) == 1
}
