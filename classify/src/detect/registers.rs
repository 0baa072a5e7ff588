//! What the registers of countries give out: identity, tax and insurance numbers, with their check digits and the dates in
//! them. Each function takes a number without separators, upper case, whose length and classes a shape has checked.

use super::checksum::{decimal, is_day, luhn, mod_11_10, mod_97, value, weighted};

/// `yymmdd` at the start.
fn begins_with_date(number: &[u8]) -> bool {
    is_day(decimal(&number[2..4]), decimal(&number[4..6]))
}

/// `ddmmyy` at the start.
fn begins_with_day(number: &[u8]) -> bool {
    is_day(decimal(&number[2..4]), decimal(&number[..2]))
}

fn digit(number: &[u8], at: usize) -> u32 {
    value(number[at])
}

/// One character repeated is nobody's number.
fn is_varied(number: &[u8]) -> bool {
    number.iter().any(|byte| *byte != number[0])
}

/// Poland: PESEL. The month says the century.
pub(super) fn pesel(number: &[u8]) -> bool {
    let month = decimal(&number[2..4]) % 20;
    let sum = weighted(number, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    sum.is_multiple_of(10) && is_day(month, decimal(&number[4..6]))
}

/// Poland: NIP.
pub(super) fn nip(number: &[u8]) -> bool {
    is_varied(number) && weighted(number, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == digit(number, 9)
}

/// Spain: DNI, and NIE, whose first letter stands for a digit.
pub(super) fn dni(number: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let (letter, digits) = (number[number.len() - 1], &number[..number.len() - 1]);
    let lead = match digits[0] {
        first @ b'X'..=b'Z' => u64::from(first - b'X'),
        first => u64::from(value(first)),
    };
    let number = lead * 10_000_000 + decimal(&digits[1..]);
    LETTERS.get(usize::try_from(number % 23).unwrap_or_default()) == Some(&letter)
}

/// Germany: tax identification number; one digit of the first ten comes twice or three times.
pub(super) fn steuer_id(number: &[u8]) -> bool {
    let times = |wanted: u8| number[..10].iter().filter(|byte| **byte == wanted).count();
    let repeated = (b'0'..=b'9').map(times).filter(|times| *times > 1);
    let repeated: Vec<usize> = repeated.collect();
    number[0] != b'0' && matches!(repeated[..], [2 | 3]) && mod_11_10(number)
}

/// Germany: pension insurance number.
pub(super) fn rentenversicherung(number: &[u8]) -> bool {
    let letter = u32::from(number[8].wrapping_sub(b'A')) + 1;
    let mut digits: Vec<u32> = number[..8].iter().map(|byte| value(*byte)).collect();
    digits.extend([letter / 10, letter % 10, digit(number, 9), digit(number, 10)]);
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let products = digits.iter().zip(weights).map(|(digit, weight)| digit * weight);
    let sum: u32 = products.map(|product| product / 10 + product % 10).sum();
    let day = decimal(&number[2..4]) % 50;
    sum % 10 == digit(number, 11) && is_day(decimal(&number[4..6]), day)
}

/// Germany: health insurance number of a person.
pub(super) fn krankenversicherung(number: &[u8]) -> bool {
    let letter = u32::from(number[0].wrapping_sub(b'A')) + 1;
    let mut digits = vec![letter / 10, letter % 10];
    digits.extend(number[1..9].iter().map(|byte| value(*byte)));
    let products = digits.iter().zip([1, 2].into_iter().cycle()).map(|(digit, weight)| digit * weight);
    products.map(|product| product / 10 + product % 10).sum::<u32>() % 10 == digit(number, 9)
}

/// Identity documents of Germany, as machine-readable ones: weights 7, 3, 1.
pub(super) fn german_document(number: &[u8]) -> bool {
    weighted(number, &[7, 3, 1, 7, 3, 1, 7, 3, 1]) % 10 == digit(number, 9)
}

/// France: NIR with its key; Corsica's departments are letters.
pub(super) fn nir(number: &[u8]) -> bool {
    let month = decimal(&number[3..5]);
    let corsica = match &number[5..7] {
        b"2A" => Some(b"19"),
        b"2B" => Some(b"18"),
        _ => None,
    };
    let mut digits = number[..13].to_vec();
    if let Some(department) = corsica {
        digits[5..7].copy_from_slice(department);
    }
    let plain = digits.iter().all(u8::is_ascii_digit);
    let fits = matches!(number[0], b'1' | b'2') && matches!(month, 1..=12 | 20..=42 | 50..=99);
    plain && fits && 97 - decimal(&digits) % 97 == decimal(&number[13..])
}

/// Italy: codice fiscale.
pub(super) fn codice_fiscale(number: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let index = |byte: u8| if byte.is_ascii_digit() { byte - b'0' } else { byte.wrapping_sub(b'A') };
    let weigh = |(at, byte): (usize, &u8)| {
        let index = index(*byte);
        if at % 2 == 0 { ODD.get(usize::from(index)).copied().unwrap_or_default() } else { u32::from(index) }
    };
    let sum: u32 = number[..15].iter().enumerate().map(weigh).sum();
    let month = b"ABCDEHLMPRST".contains(&number[8]);
    let day = decimal(&number[9..11]);
    month && matches!(day, 1..=31 | 41..=71) && sum % 26 == u32::from(number[15].wrapping_sub(b'A'))
}

/// The Netherlands: BSN, by the eleven test.
pub(super) fn bsn(number: &[u8]) -> bool {
    let (last, rest) = (digit(number, 8), weighted(number, &[9, 8, 7, 6, 5, 4, 3, 2]));
    rest > 0 && rest % 11 == last
}

/// Belgium: national number; a two before it for those born since 2000.
pub(super) fn belgian(number: &[u8]) -> bool {
    let base = decimal(&number[..9]);
    let check = decimal(&number[9..]);
    let month = decimal(&number[2..4]) % 20;
    let checks = |base: u64| 97 - base % 97 == check;
    is_day(month, decimal(&number[4..6])) && (checks(base) || checks(2_000_000_000 + base))
}

/// Sweden: personal number of ten or twelve digits; coordination numbers add 60 to the day.
pub(super) fn personnummer(number: &[u8]) -> bool {
    let short = &number[number.len() - 10..];
    is_day(decimal(&short[2..4]), decimal(&short[4..6]) % 60) && luhn(short)
}

/// Denmark: CPR, which has had no check digit since 2007.
pub(super) fn cpr(number: &[u8]) -> bool {
    begins_with_day(number)
}

/// Finland: personal identity code, with or without its century sign.
pub(super) fn hetu(number: &[u8]) -> bool {
    const CHECKS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let (check, rest) = (number[number.len() - 1], &number[..number.len() - 1]);
    let base = decimal(&rest[..6]) * 1000 + decimal(&rest[rest.len() - 3..]);
    begins_with_day(number) && CHECKS.get(usize::try_from(base % 31).unwrap_or_default()) == Some(&check)
}

/// Norway: birth number with two check digits; D-numbers add 40 to the day.
pub(super) fn fodselsnummer(number: &[u8]) -> bool {
    let first = weighted(number, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]);
    let second = weighted(number, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]);
    is_day(decimal(&number[2..4]), decimal(&number[..2]) % 40)
        && first.is_multiple_of(11)
        && second.is_multiple_of(11)
}

/// Ireland: PPS number.
pub(super) fn pps(number: &[u8]) -> bool {
    let second = number.get(8).map_or(0, |letter| u32::from(letter.wrapping_sub(b'A')) + 1);
    let second = if second == 23 { 0 } else { second };
    let sum = weighted(number, &[8, 7, 6, 5, 4, 3, 2]) + 9 * second;
    let letter = match sum % 23 {
        0 => u32::from(b'W'),
        other => u32::from(b'A') - 1 + other,
    };
    u32::from(number[7]) == letter
}

/// Austria: social insurance number, whose end is a date.
pub(super) fn austrian(number: &[u8]) -> bool {
    let sum = weighted(number, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    sum % 11 == digit(number, 3) && is_day(decimal(&number[6..8]), decimal(&number[4..6]))
}

/// Switzerland: AHV number, an article number of the country 756.
pub(super) fn ahv(number: &[u8]) -> bool {
    weighted(number, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

/// Czechia and Slovakia: birth number.
pub(super) fn rodne_cislo(number: &[u8]) -> bool {
    let month = decimal(&number[2..4]) % 50;
    let month = if month > 20 { month - 20 } else { month };
    is_day(month, decimal(&number[4..6])) && decimal(number).is_multiple_of(11)
}

/// Romania: CNP.
pub(super) fn cnp(number: &[u8]) -> bool {
    let check = match weighted(number, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11 {
        10 => 1,
        other => other,
    };
    number[0] != b'0' && begins_with_date(&number[1..]) && check == digit(number, 12)
}

/// Bulgaria: EGN.
pub(super) fn egn(number: &[u8]) -> bool {
    let month = decimal(&number[2..4]) % 20;
    let sum = weighted(number, &[2, 4, 8, 5, 10, 9, 7, 3, 6]);
    is_day(month, decimal(&number[4..6])) && sum % 11 % 10 == digit(number, 9)
}

/// Greece: AMKA.
pub(super) fn amka(number: &[u8]) -> bool {
    begins_with_day(number) && luhn(number)
}

/// Estonia and Lithuania: personal code.
pub(super) fn baltic(number: &[u8]) -> bool {
    let first = weighted(number, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(number, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10;
    let check = if first == 10 { second } else { first };
    begins_with_date(&number[1..]) && check == digit(number, 10)
}

/// The countries of former Yugoslavia: JMBG, EMŠO.
pub(super) fn jmbg(number: &[u8]) -> bool {
    let sum = weighted(number, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]);
    begins_with_day(number) && sum.is_multiple_of(11)
}

/// Brazil: CPF.
pub(super) fn cpf(number: &[u8]) -> bool {
    let first = weighted(number, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10;
    let second = weighted(number, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10;
    is_varied(number) && first == digit(number, 9) && second == digit(number, 10)
}

/// India: permanent account number; the fourth letter says what kind of taxpayer.
pub(super) fn pan(number: &[u8]) -> bool {
    b"PCHABGJLFT".contains(&number[3])
}

/// Australia: tax file number.
pub(super) fn tfn(number: &[u8]) -> bool {
    is_varied(number) && weighted(number, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
}

/// Australia: Medicare card.
pub(super) fn medicare(number: &[u8]) -> bool {
    let check = weighted(number, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10;
    matches!(number[0], b'2'..=b'6') && check == digit(number, 8)
}

/// South Africa: identity number.
pub(super) fn south_african(number: &[u8]) -> bool {
    begins_with_date(number) && luhn(number)
}

/// Mexico: CURP; its alphabet has Ñ.
pub(super) fn curp(number: &[u8]) -> bool {
    let index = |byte: u8| value(byte) + u32::from(byte > b'N');
    let weights = (2..=18).rev();
    let sum: u32 = number.iter().zip(weights).map(|(byte, weight)| index(*byte) * weight).sum();
    begins_with_date(&number[4..])
        && matches!(number[10], b'H' | b'M' | b'X')
        && (10 - sum % 10) % 10 == digit(number, 17)
}

/// Korea: resident registration number.
pub(super) fn korean(number: &[u8]) -> bool {
    begins_with_date(number) && matches!(number[6], b'1'..=b'8')
}

/// Singapore: NRIC and FIN.
pub(super) fn nric(number: &[u8]) -> bool {
    let (offset, letters) = match number[0] {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        _ => return false,
    };
    let sum = weighted(&number[1..], &[2, 7, 6, 5, 4, 3, 2]) + offset;
    letters.get(usize::try_from(sum % 11).unwrap_or_default()) == Some(&number[8])
}

/// China: resident identity number.
pub(super) fn chinese(number: &[u8]) -> bool {
    const CHECKS: &[u8; 11] = b"10X98765432";
    let sum = weighted(number, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    matches!(&number[6..8], b"19" | b"20")
        && begins_with_date(&number[8..])
        && CHECKS.get(usize::try_from(sum % 11).unwrap_or_default()) == Some(&number[17])
}

/// Japan: individual number.
pub(super) fn my_number(number: &[u8]) -> bool {
    let check = match weighted(number, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        0 | 1 => 0,
        other => 11 - other,
    };
    is_varied(number) && check == digit(number, 11)
}

/// Türkiye: identity number.
pub(super) fn turkish(number: &[u8]) -> bool {
    let odd = weighted(number, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighted(number, &[0, 1, 0, 1, 0, 1, 0, 1]);
    let tenth = (odd * 7 + 10 * 9 - even) % 10;
    let eleventh = (odd + even + tenth) % 10;
    number[0] != b'0' && tenth == digit(number, 9) && eleventh == digit(number, 10)
}

/// United States: Medicare beneficiary identifier, without letters that look like digits.
pub(super) fn beneficiary(number: &[u8]) -> bool {
    number[0] != b'0' && !number.iter().any(|byte| b"SLOIBZ".contains(byte))
}

/// United Kingdom: national insurance number; prefixes that are not given out.
pub(super) fn nino(number: &[u8]) -> bool {
    let refused = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"];
    !b"DFIQUV".contains(&number[0])
        && !b"DFIOQUV".contains(&number[1])
        && !refused.iter().any(|prefix| number.starts_with(*prefix))
        && matches!(number[8], b'A'..=b'D')
}

/// United Kingdom: NHS number.
pub(super) fn nhs(number: &[u8]) -> bool {
    is_varied(number) && weighted(number, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// Portugal: NIF.
pub(super) fn portuguese(number: &[u8]) -> bool {
    let check = match weighted(number, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 {
        0 | 1 => 0,
        other => 11 - other,
    };
    !matches!(number[0], b'0' | b'4') && check == digit(number, 8)
}

/// Value added tax numbers: the country, then what that country's numbers are checked by.
pub(super) fn vat(number: &[u8]) -> bool {
    let (country, rest) = number.split_at(2);
    match country {
        b"DE" | b"HR" => rest[0] != b'0' && mod_11_10(rest),
        b"AT" => {
            let even = |at: usize| {
                [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][usize::try_from(digit(rest, at) % 10).unwrap_or(0)]
            };
            let sum = digit(rest, 1) + digit(rest, 3) + digit(rest, 5) + digit(rest, 7);
            (96 - sum - even(2) - even(4) - even(6)) % 10 == digit(rest, 8)
        }
        b"BE" => 97 - decimal(&rest[..8]) % 97 == decimal(&rest[8..]),
        b"DK" => weighted(rest, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11),
        b"FI" => weighted(rest, &[7, 9, 10, 5, 8, 4, 2, 1]).is_multiple_of(11),
        b"FR" => (12 + 3 * (decimal(&rest[2..]) % 97)) % 97 == decimal(&rest[..2]) && luhn(&rest[2..]),
        b"GB" => {
            let sum = u64::from(weighted(rest, &[8, 7, 6, 5, 4, 3, 2])) + decimal(&rest[7..9]);
            sum.is_multiple_of(97) || (sum + 55).is_multiple_of(97)
        }
        b"IT" => is_varied(rest) && luhn(rest),
        b"LU" => decimal(&rest[..6]) % 89 == decimal(&rest[6..]),
        b"NL" => bsn(rest) || mod_97(number) == 1,
        b"PL" => nip(rest),
        b"PT" => portuguese(rest),
        b"SE" => rest.ends_with(b"01") && luhn(&rest[..10]),
        _ => false,
    }
}
