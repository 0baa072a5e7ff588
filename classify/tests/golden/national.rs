//! What is found, and what is not: national.

use super::check;

const ID: &str = "personal/national-id";
const TAX: &str = "personal/tax-id";
const VAT: &str = "personal/vat-id";

#[test]
fn identity_numbers() {
    check(ID, IDENTITY, NO_IDENTITY);
}

#[test]
fn tax_numbers() {
    check(
        TAX,
        &[
            "Steuer-ID 86 095 742 719",
            "steuerliche Identifikationsnummer: 86095742719",
            "NIP 526-000-12-46",
            "NIF: 123456789",
            "contribuinte 123456789",
            "CPF 111.444.777-35",
            "cliente 111.444.777-35",
            "TFN 123 456 782",
            "PAN ABCPE1234F",
            "EIN 12-3456789",
        ],
        &[
            "Steuer-ID 86 095 742 718",
            "Steuer-ID 12345678901",
            "86095742719 bytes",
            "NIP 526-000-12-47",
            "NIF: 123456780",
            "111.444.777-36",
            "111.111.111-11",
            "TFN 123 456 783",
            "ABCXE1234F",
            "12-3456789",
        ],
    );
    check(
        "personal/us-taxpayer-id",
        &["ITIN 900-70-0000", "912-88-1234", "itin: 912881234"],
        &["812-88-1234", "912-12-1234", "912-88-12345"],
    );
}

#[test]
fn vat_numbers() {
    check(
        VAT,
        &[
            "DE136695976",
            "USt-IdNr. DE136695976",
            "ATU10223006",
            "FR40303265045",
            "IT00743110157",
            "P. IVA 00743110157",
            "DK13585628",
            "FI20774740",
            "LU26375245",
            "PT501964843",
            "GB980780684",
            "PL8567346215",
            "VAT number IE6433435F",
        ],
        &[
            "DE136695978",
            "ATU10223007",
            "FR41303265045",
            "IT00743110158",
            "DK13585627",
            "FI20774741",
            "LU26375246",
            "PT501964842",
            "GB980780685",
            "PL8567346216",
            "IE6433435F",
        ],
    );
}

#[test]
fn documents() {
    check(
        "personal/passport",
        &[
            "passport number: C01X00T47",
            "Passport No. 123456789",
            "Reisepass-Nr. C01X00T47",
            "passeport n° 12AB34567",
            "pasaporte AAA123456",
            "\"passport_number\": \"P1234567\"",
        ],
        &["passport-jwt 4.0.1", "the passport module has 12 files", "passport photo 35x45", "C01X00T47"],
    );
    check(
        "personal/driving-licence",
        &[
            "driver's license D1234567",
            "Driving licence: MORGA753116SM9IJ",
            "Führerschein B072RRE2I55",
            "permis de conduire 123456789012",
        ],
        &["driver license is valid", "software license number of seats 5", "MORGA753116SM9IJ"],
    );
}

/// Numbers that name a person.
const IDENTITY: &[&str] = &[
    "PESEL: 44051401359",
    "numer PESEL pacjenta to 44051401359",
    "DNI 12345678Z",
    "el titular 12345678-Z vive aquí",
    "NIE: X1234567L",
    "x x X-1234567-L x",
    "Rentenversicherungsnummer 15 070649 C 103",
    "Personalausweis Nr. T220001293",
    "NIR 2 55 08 14 168 025 38",
    "numéro de sécurité sociale : 255081416802538",
    "codice fiscale: RSSMRA85T10A562S",
    "cliente RSSMRA85T10A562S, Milano",
    "BSN 111222333",
    "burgerservicenummer van de cliënt is 123456782",
    "rijksregisternummer 85.07.30-033.28",
    "klant 85.07.30-033.28",
    "personnummer 811228-9874",
    "kund 811228-9874",
    "CPR-nr. 211062-5629",
    "hetu 131052-308T",
    "asiakas 131052-308T",
    "PPS number 1234567T",
    "Sozialversicherungsnummer: 1237 010180",
    "AHV 756.9217.0769.85",
    "versichert 756.9217.0769.85",
    "rodné číslo 736028/5163",
    "klient 736028/5163",
    "EGN 7523169263",
    "isikukood: 37605030299",
    "JMBG 0101006500006",
    "SIN 130 692 544",
    "Aadhaar 2341 2341 2346",
    "Medicare card 2123 45670 1",
    "South African ID 8001015009087",
    "身份证 11010519491231002X",
    "NRIC S1234567D",
    "member S1234567D",
    "TC Kimlik No: 10000000146",
    "NI number AB123456C",
    "employee AB 12 34 56 C",
    "carta d'identità CA00000AA",
    "dowód osobisty ABA300000",
];

/// A digit, a letter or a word is wrong.
const NO_IDENTITY: &[&str] = &[
    "PESEL: 44051401358",
    "PESEL: 44951401359",
    "44051401359 rows",
    "DNI 12345678A",
    "build 12345678A",
    "X1234567M",
    "15 070649 C 104",
    "Personalausweis Nr. T220001294",
    "2 55 08 14 168 025 39",
    "RSSMRA85T10A562T",
    "BSN 111222334",
    "111222333",
    "85.07.30-033.29",
    "811228-9873",
    "131052-308U",
    "PPS number 1234567S",
    "1237010180",
    "756.9217.0769.84",
    "736028/5164",
    "SIN 130 692 545",
    "Aadhaar 2341 2341 2347",
    "8001015009087",
    "110105194912310021",
    "S1234567E",
    "TC Kimlik No: 10000000147",
    "BG123456C",
    "AB123456Z",
    "v1.85.07.30-033.28",
];
