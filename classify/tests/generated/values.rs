//! Values of every kind, made up and valid, and their near misses, whose check digit, range or alphabet is wrong.
//!
//! The check digits are computed here by their definitions, apart from the code that is measured.

use super::random::Random;

/// A kind of value: what it is found as, how a valid one is made, how a near miss; `None`: the kind has no structure to miss.
pub(super) struct Kind {
    pub(super) slot: &'static str,
    pub(super) category: &'static str,
    pub(super) valid: fn(&mut Random) -> String,
    pub(super) near: Option<fn(&mut Random) -> String>,
}

const fn kind(
    slot: &'static str,
    category: &'static str,
    valid: fn(&mut Random) -> String,
    near: Option<fn(&mut Random) -> String>,
) -> Kind {
    Kind { slot, category, valid, near }
}

/// The kinds.
pub(super) const KINDS: &[Kind] = &[
    kind("card", "financial/payment-card", card, Some(|random| broken(card(random)))),
    kind("iban", "financial/iban", iban, Some(|random| broken(iban(random)))),
    kind("aba", "financial/routing-number", aba, Some(|random| broken(aba(random)))),
    kind("account", "financial/account-number", |random| random.digits(10), None),
    kind(
        "bic",
        "financial/bic",
        |random| random.pick(&["DEUTDEFF", "BNPAFRPP", "CHASUS33", "BCITITMM", "CAIXESBB"]),
        None,
    ),
    kind(
        "ssn",
        "personal/us-social-security-number",
        ssn,
        Some(|random| format!("9{}", &ssn(random)[1..3]) + "-00-" + &random.digits(4)),
    ),
    kind("email", "personal/email-address", email, Some(|random| email(random).replace(".example", ""))),
    kind("phone", "personal/phone-number", phone, Some(|random| format!("+{}", random.digits(4)))),
    kind("birth", "personal/date-of-birth", date, None),
    kind(
        "street",
        "personal/postal-address",
        |random| format!("{} {} Street", random.within(1, 400), random.pick(STREETS)),
        None,
    ),
    kind(
        "strasse",
        "personal/postal-address",
        |random| format!("Lindenstraße {}", random.within(1, 99)),
        None,
    ),
    kind("rue", "personal/postal-address", |random| format!("{} rue des Lilas", random.within(1, 99)), None),
    kind("calle", "personal/postal-address", |random| format!("Calle Mayor {}", random.within(1, 99)), None),
    kind("via", "personal/postal-address", |random| format!("Via Garibaldi {}", random.within(1, 99)), None),
    kind("nhs", "health/nhs-number", nhs, Some(|random| broken(nhs(random)))),
    kind("npi", "health/provider-number", npi, Some(|random| broken(npi(random)))),
    kind(
        "mbi",
        "health/health-plan-number",
        mbi,
        Some(|random| mbi(random).replacen(|c: char| c.is_ascii_uppercase(), "S", 1)),
    ),
    kind(
        "mrn",
        "health/medical-record-number",
        |random| format!("{}{}", random.within(1, 9), random.digits(7)),
        None,
    ),
    kind(
        "icd",
        "health/diagnosis-code",
        |random| random.pick(&["E11.9", "I10", "J45.909", "F32.1", "C50.911", "N18.3"]),
        None,
    ),
    kind(
        "drug",
        "health/medication",
        |random| format!("{} {} mg", random.pick(DRUGS), random.within(1, 40) * 5),
        None,
    ),
    kind(
        "lab",
        "health/lab-result",
        |random| format!("HbA1c {}.{} %", random.within(5, 12), random.within(0, 9)),
        None,
    ),
    kind("steuer", "personal/tax-id", steuer_id, Some(|random| broken(steuer_id(random)))),
    kind("nir", "personal/national-id", nir, Some(|random| broken(nir(random)))),
    kind("dni", "personal/national-id", dni, Some(|random| dni(random).replace(char::is_alphabetic, "U"))),
    kind("fiscale", "personal/national-id", fiscale, Some(|random| shifted(&fiscale(random)))),
    kind(
        "vin",
        "personal/vehicle-id",
        vin,
        Some(|random| vin(random).replacen(|c: char| c.is_ascii_uppercase(), "Q", 1)),
    ),
    kind(
        "github",
        "credential/github-token",
        |random| format!("ghp_{}", random.token(36)),
        Some(|random| format!("ghp_{}", random.token(12))),
    ),
    kind(
        "aws",
        "credential/aws-access-key-id",
        |random| format!("AKIA{}", random.upper(16)),
        Some(|random| format!("AKIA{}", random.upper(11))),
    ),
    kind(
        "stripe",
        "credential/stripe-key",
        |random| format!("sk_live_{}", random.token(24)),
        Some(|_random| "sk_live_xxxxxxxxxxxxxxxx".to_owned()),
    ),
    kind("password", "credential/assigned-secret", |random| format!("{}7aB", random.token(16)), None),
    kind("name", "personal/name", |random| format!("{} {}", random.pick(FIRST), random.pick(LAST)), None),
];

const STREETS: &[&str] = &["Baker", "Maple", "Church", "High", "Orchard", "Kingsland", "Fulton", "Lincoln"];
const DRUGS: &[&str] = &["metformin", "lisinopril", "atorvastatin", "sertraline", "ibuprofen"];
const FIRST: &[&str] = &[
    "Eleanor",
    "Tobias",
    "Camille",
    "Javier",
    "Giulia",
    "Henrik",
    "Amara",
    "Dorothea",
    "Matteo",
    "Solène",
    "Ignacio",
    "Wilhelmina",
    "Padraig",
    "Yusuf",
    "Katarzyna",
];
const LAST: &[&str] = &[
    "Whitcombe",
    "Lindqvist",
    "Rousseau",
    "Echeverría",
    "Bianchi",
    "Okonkwo",
    "Hartmann",
    "Delacroix",
    "Fairweather",
    "Grünwald",
    "Quintana",
    "Montefiori",
    "Szymańska",
    "Pemberton",
    "Achterberg",
];

/// The number of a decimal digit.
fn digit(c: char) -> u32 {
    c.to_digit(10).unwrap_or_default()
}

fn sum(text: &str, weights: &[u32]) -> u32 {
    text.chars().zip(weights).map(|(c, weight)| digit(c) * weight).sum()
}

/// The last digit is another.
fn broken(value: String) -> String {
    let at = value.rfind(|c: char| c.is_ascii_digit()).expect("it has digits");
    let wrong = (digit(char::from(value.as_bytes()[at])) + 1) % 10;
    format!("{}{wrong}{}", &value[..at], &value[at + 1..])
}

/// The last letter is another.
fn shifted(value: &str) -> String {
    let (head, last) = value.split_at(value.len() - 1);
    format!("{head}{}", if last == "Z" { "A" } else { "Z" })
}

fn luhn(head: &str) -> String {
    let doubled = |(at, c): (usize, char)| {
        let value = digit(c) * if at % 2 == 0 { 2 } else { 1 };
        value / 10 + value % 10
    };
    let sum: u32 = head.chars().rev().enumerate().map(doubled).sum();
    format!("{head}{}", (10 - sum % 10) % 10)
}

fn card(random: &mut Random) -> String {
    let number = luhn(&format!("{}{}", random.pick(&["4539", "5412", "4024"]), random.digits(11)));
    let spaced = number
        .as_bytes()
        .chunks(4)
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect::<Vec<_>>()
        .join(" ");
    if random.below(2) == 0 { number } else { spaced }
}

fn mod_97(number: &str) -> u32 {
    number.chars().fold(0, |remainder, c| {
        let value = c.to_digit(36).unwrap_or_default();
        (remainder * if value > 9 { 100 } else { 10 } + value) % 97
    })
}

fn iban(random: &mut Random) -> String {
    let (country, account) =
        if random.below(2) == 0 { ("DE", random.digits(18)) } else { ("ES", random.digits(20)) };
    format!("{country}{:02}{account}", 98 - mod_97(&format!("{account}{country}00")))
}

fn aba(random: &mut Random) -> String {
    let head = format!("02{}", random.digits(6));
    let rest = sum(&head, &[3, 7, 1, 3, 7, 1, 3, 7]) % 10;
    format!("{head}{}", (10 - rest) % 10)
}

fn ssn(random: &mut Random) -> String {
    format!("{}-{}-{}", random.within(100, 599), random.within(10, 99), random.within(1000, 9999))
}

fn email(random: &mut Random) -> String {
    format!("{}.{}@mail.example", random.pick(FIRST), random.digits(3)).replace("è", "e").to_lowercase()
}

fn phone(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!(
            "+1 {} {} {}",
            random.within(201, 899) / 10 * 10 + 2,
            random.within(22, 89) * 10 + 2,
            random.within(1000, 9999)
        ),
        1 => format!("+44 20 7946 {}", random.within(1000, 9999)),
        2 => format!("+49 30 {}", random.within(100_000, 9_999_999)),
        _ => format!(
            "+33 1 {} {} {} {}",
            random.within(40, 59),
            random.within(10, 99),
            random.within(10, 99),
            random.within(10, 99)
        ),
    }
}

fn date(random: &mut Random) -> String {
    let (year, month, day) = (random.within(1931, 2009), random.within(1, 12), random.within(1, 28));
    match random.below(3) {
        0 => format!("{year}-{month:02}-{day:02}"),
        1 => format!("{day:02}.{month:02}.{year}"),
        _ => format!("{day:02}/{month:02}/{year}"),
    }
}

fn nhs(random: &mut Random) -> String {
    loop {
        let head = format!("4{}", random.digits(8));
        let check = 11 - sum(&head, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        if check != 10 {
            let number = format!("{head}{}", check % 11);
            return format!("{} {} {}", &number[..3], &number[3..6], &number[6..]);
        }
    }
}

fn npi(random: &mut Random) -> String {
    luhn(&format!("808401{}", random.digits(8)))[5..].to_owned()
}

fn mbi(random: &mut Random) -> String {
    const LETTERS: &[u8] = b"ACDEFGHJKMNPQRTUVWXY";
    let mut number = String::new();
    for class in "1axd-axd-aadd".chars() {
        let letter = char::from(LETTERS[random.below(LETTERS.len())]);
        number.push(match class {
            'a' => letter,
            'x' | 'd' => {
                char::from_digit(u32::try_from(random.below(10)).unwrap_or_default(), 10).unwrap_or('0')
            }
            other => other,
        });
    }
    number
}

/// ISO 7064 mod 11,10 over ten digits of which one comes twice.
fn steuer_id(random: &mut Random) -> String {
    let mut digits: Vec<u32> = (1..10).collect();
    for last in (1..digits.len()).rev() {
        digits.swap(last, random.below(last + 1));
    }
    digits.push(digits[0]);
    let product = digits.iter().fold(10, |product, digit| {
        let sum = (product + digit) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    digits.push((11 - product) % 10);
    digits.into_iter().filter_map(|digit| char::from_digit(digit, 10)).collect()
}

fn nir(random: &mut Random) -> String {
    let head = format!(
        "{}{}{:02}75{}",
        random.within(1, 2),
        random.within(40, 99),
        random.within(1, 12),
        random.digits(6)
    );
    let number: u64 = head.parse().unwrap_or_default();
    format!("{head}{:02}", 97 - number % 97)
}

fn dni(random: &mut Random) -> String {
    let number = random.within(10_000_000, 79_999_999);
    format!("{number}{}", char::from(b"TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]))
}

fn fiscale(random: &mut Random) -> String {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let month = random.pick(&["A", "E", "L", "S"]);
    let head = format!(
        "BNC{}{:02}{month}{:02}H{:03}",
        random.pick(&["GLI", "MTT", "LCU"]),
        random.within(40, 99),
        random.within(1, 28),
        random.within(100, 999)
    );
    let value = |(at, c): (usize, char)| {
        let index = c.to_digit(10).or_else(|| c.to_digit(36).map(|value| value - 10)).unwrap_or_default();
        if at % 2 == 0 { ODD[usize::try_from(index).unwrap_or_default()] } else { index }
    };
    let sum: u32 = head.chars().enumerate().map(value).sum();
    format!("{head}{}", char::from_u32(u32::from(b'A') + sum % 26).unwrap_or('A'))
}

/// North American: the ninth character checks.
fn vin(random: &mut Random) -> String {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    const VALUES: &str = "0123456789.ABCDEFGH..JKLMN.P.R..STUVWXYZ";
    let number = format!("1HGCM826_{}A{}", random.pick(&["3", "5", "7"]), random.digits(6));
    let value = |c: char| u32::try_from(VALUES.find(c).unwrap_or_default() % 10).unwrap_or_default();
    let sum: u32 = number.chars().zip(WEIGHTS).map(|(c, weight)| value(c) * weight).sum();
    number.replace('_', &if sum % 11 == 10 { "X".to_owned() } else { (sum % 11).to_string() })
}
