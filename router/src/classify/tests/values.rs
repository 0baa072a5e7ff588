use super::Rows;

const CARD: &str = "financial/payment-card";
const IBAN: &str = "financial/iban";
const SSN: &str = "personal/us-social-security-number";
const EMAIL: &str = "personal/email-address";

/// Checks that exactly the rows marked `true` hold `kind`.
fn check(kind: &str, rows: &[(&str, bool)]) {
    let classifier = Rows::new();
    for (text, expected) in rows {
        assert_eq!(classifier.kinds(text).iter().any(|found| found == kind), *expected, "{kind}: {text:?}");
    }
}

#[test]
fn payment_cards() {
    check(
        CARD,
        &[
            ("4111111111111111", true),
            ("4111 1111 1111 1111", true),
            ("4111-1111-1111-1111", true),
            ("4111.1111.1111.1111", true),
            ("4111_1111_1111_1111", true),
            ("4111 - 1111 - 1111 - 1111", true),
            ("4111\n1111\n1111\n1111", true),
            ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", true),
            ("card:4111111111111111.", true),
            ("pan4111111111111111", true),
            ("41111111 11111111", true),
            ("4222222222222", true),
            ("5555555555554444", true),
            ("2223003122003222", true),
            ("2720992222222222", false),
            ("378282246310005", true),
            ("3782 822463 10005", true),
            ("6011111111111117", true),
            ("30569309025904", true),
            ("3056 930902 5904", true),
            ("3530111333300000", true),
            ("6200000000000005", true),
            ("6304000000000000", true),
            ("2200000000000004", true),
            ("4111 1111 1111 1111 12/26", true),
            ("order 2024 4111 1111 1111 1111 123", true),
            ("%B4111111111111111^DOE/JANE^2512", true),
            (";4111111111111111=25121011000012345678?", true),
            // Near misses: check digit, issuer, length, writing.
            ("4111111111111112", false),
            ("4111 1111 1111 1112", false),
            ("1111111111111117", false),
            ("9999999999999995", false),
            ("0000000000000000", false),
            ("411111111111111", false),
            ("41111111111111111111", false),
            ("0.4111111111111111", false),
            ("a4111111111111111bcdef0123456789abcdef", false),
            ("411111 1111111111 5 5 5", false),
            ("4111:1111:1111:1111", false),
        ],
    );
}

#[test]
fn account_numbers() {
    check(
        IBAN,
        &[
            ("DE89370400440532013000", true),
            ("DE89 3704 0044 0532 0130 00", true),
            ("de89370400440532013000", true),
            ("DE89-3704-0044-0532-0130-00", true),
            ("IBAN:DE89370400440532013000,", true),
            ("IBANDE89370400440532013000", true),
            ("GB29 NWBK 6016 1331 9268 19", true),
            ("FR14 2004 1010 0505 0001 3M02 606", true),
            ("NL91ABNA0417164300", true),
            ("BE68 5390 0754 7034", true),
            ("ES9121000418450200051332", true),
            ("IT60X0542811101000000123456", true),
            ("CH9300762011623852957", true),
            ("AT611904300234573201", true),
            ("NO9386011117947", true),
            ("SE4550000000058398257466", true),
            ("PL61109010140000071219812874", true),
            ("MT84MALT011000012345MTLCAST001S", true),
            ("SA0380000000608010167519", true),
            ("TR330006100519786457841326", true),
            ("BR1800360305000010009795493C1", true),
            ("LC55HEMM000100010012001200023015", true),
            // Near misses: check digits, country, length, structure.
            ("DE88370400440532013000", false),
            ("DE8937040044053201300", false),
            ("DE893704004405320130001", false),
            ("XX89370400440532013000", false),
            ("GB29 1234 6016 1331 9268 19", false),
            ("DE89 3704 0044 0532 0130 0O", false),
            ("NO9386011117948", false),
            ("DE", false),
            ("DE89", false),
        ],
    );
}

#[test]
fn social_security_numbers() {
    check(
        SSN,
        &[
            ("536-22-1234", true),
            ("SSN 536-22-1234.", true),
            ("SSN:536221234", true),
            ("social security number is 536221234", true),
            ("536 22 1234", true),
            ("536.22.1234", true),
            ("ssn=536 - 22 - 1234", true),
            ("Sozial (ssn) 5 3 6 2 2 1 2 3 4", true),
            ("id536-22-1234", true),
            ("899-99-9999", true),
            // Near misses: never issued, other numbers.
            ("000-22-1234", false),
            ("666-22-1234", false),
            ("900-22-1234", false),
            ("536-00-1234", false),
            ("536-22-0000", false),
            ("536-22-12345", false),
            ("5536-22-1234", false),
            ("1-536-22-1234", false),
            ("536-22-1234-7", false),
            ("536221234", false),
            ("536-221-234", false),
            ("A536-22-1234B", false),
        ],
    );
}

#[test]
fn email_addresses() {
    check(
        EMAIL,
        &[
            ("jane.doe@example.com", true),
            ("Jane <jane+tag@mail.example.co.uk>", true),
            ("mailto:j_d@example.org?subject=x", true),
            ("'o'brien@example.ie'", true),
            ("JANE@EXAMPLE.COM.", true),
            ("a@b.io", true),
            ("user=jane@example.com;", true),
            ("x@xn--bcher-kva.example", true),
            ("jane@1und1.de", true),
            // Near misses.
            ("jane@example", false),
            ("@example.com", false),
            ("jane@@example.com", false),
            ("jane.@example.com", false),
            ("j..d@example.com", false),
            ("jane@-example.com", false),
            ("jane@example.c", false),
            ("jane@192.168.1.1", false),
            ("left-pad@1.3.0", false),
            ("logo@2x.png", false),
            ("git@github.com:owner/repo", false),
            ("jane at example.com", false),
        ],
    );
}
