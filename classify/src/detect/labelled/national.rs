//! Identity, tax and insurance numbers of countries, by the words that name them.

use super::super::checksum::{luhn, mod_11_10, verhoeff};
use super::super::registers;
use super::{Label, believed, checked, named};
use crate::category::Category;

const NATIONAL: Category = Category::personal("national-id");
const TAX: Category = Category::personal("tax-id");
const VAT: Category = Category::personal("vat-id");
const PASSPORT: Category = Category::personal("passport");
const LICENCE: Category = Category::personal("driving-licence");
const ITIN: Category = Category::personal("us-taxpayer-id");

/// Each as its country calls it, and as English does.
pub(super) const LABELS: &[Label] = &[
    checked(NATIONAL, "pesel", &["d{11}"], registers::pesel),
    checked(TAX, "nip|numer identyfikacji podatkowej", &["d{10}"], registers::nip),
    checked(NATIONAL, "dni|nie|nif|documento nacional", &["d{8}a", "ad{7}a"], registers::dni),
    checked(
        TAX,
        "steuer id|steueridentifikationsnummer|steuerliche identifikationsnummer|idnr|tin|tax id|steuer idnr|steuernummer",
        &["d{11}"],
        registers::steuer_id,
    ),
    checked(
        NATIONAL,
        "rentenversicherungsnummer|sozialversicherungsnummer|versicherungsnummer|sv nummer|svnr",
        &["d{8}ad{3}"],
        registers::rentenversicherung,
    ),
    checked(
        NATIONAL,
        "personalausweis|personalausweisnummer|ausweisnummer|ausweis",
        &["x{9}d"],
        registers::german_document,
    ),
    checked(
        NATIONAL,
        "nir|numéro de sécurité sociale|numero de securite sociale|sécurité sociale|securite sociale|insee",
        &["d{15}", "d{5}2ad{8}"],
        registers::nir,
    ),
    checked(NATIONAL, "codice fiscale|cod fisc|c.f.", &["a{6}d{2}ad{2}ad{3}a"], registers::codice_fiscale),
    checked(NATIONAL, "bsn|burgerservicenummer|sofinummer|burger service nummer", &["d{9}"], registers::bsn),
    checked(
        NATIONAL,
        "rijksregisternummer|rijksregister|numéro national|numero national|registre national|insz|niss|national number",
        &["d{11}"],
        registers::belgian,
    ),
    checked(
        NATIONAL,
        "personnummer|samordningsnummer|personal number",
        &["d{10}", "d{12}"],
        registers::personnummer,
    ),
    checked(NATIONAL, "cpr|cpr nummer|cpr nr|personnummer", &["d{10}"], registers::cpr),
    checked(
        NATIONAL,
        "hetu|henkilötunnus|henkilotunnus|personbeteckning",
        &["d{6}a{0,1}d{3}x"],
        registers::hetu,
    ),
    checked(NATIONAL, "fødselsnummer|fodselsnummer|fnr|d nummer", &["d{11}"], registers::fodselsnummer),
    checked(NATIONAL, "pps|pps no|ppsn|personal public service", &["d{7}a{1,2}"], registers::pps),
    checked(
        NATIONAL,
        "sozialversicherungsnummer|svnr|sv nummer|sv nr|versicherungsnummer",
        &["d{10}"],
        registers::austrian,
    ),
    checked(NATIONAL, "ahv|ahv nr|avs|numéro avs|ahv nummer", &["756d{10}"], registers::ahv),
    checked(NATIONAL, "rodné číslo|rodne cislo|birth number", &["d{10}"], registers::rodne_cislo),
    checked(NATIONAL, "cnp|cod numeric personal", &["d{13}"], registers::cnp),
    checked(NATIONAL, "egn|егн|единен граждански номер", &["d{10}"], registers::egn),
    checked(NATIONAL, "amka|αμκα", &["d{11}"], registers::amka),
    checked(NATIONAL, "oib|osobni identifikacijski broj", &["d{11}"], mod_11_10),
    checked(
        NATIONAL,
        "isikukood|asmens kodas|personal code|personal identification code",
        &["d{11}"],
        registers::baltic,
    ),
    checked(NATIONAL, "emšo|emso|jmbg|matični broj", &["d{13}"], registers::jmbg),
    checked(
        TAX,
        "nif|contribuinte|número de identificação fiscal|numero de identificacao fiscal",
        &["d{9}"],
        registers::portuguese,
    ),
    checked(NATIONAL, "sin|social insurance|nas|numéro d'assurance sociale", &["d{9}"], |number| {
        !matches!(number[0], b'0' | b'8') && luhn(number)
    }),
    checked(TAX, "cpf", &["d{11}"], registers::cpf),
    checked(NATIONAL, "aadhaar|aadhar|uidai|uid", &["d{12}"], |number| number[0] > b'1' && verhoeff(number)),
    checked(TAX, "tfn|tax file number", &["d{9}"], registers::tfn),
    checked(NATIONAL, "medicare|medicare card", &["d{10,11}"], registers::medicare),
    checked(
        NATIONAL,
        "south african id|sa id|identity number|id number|rsa id",
        &["d{13}"],
        registers::south_african,
    ),
    checked(
        NATIONAL,
        "my number|mynumber|individual number|マイナンバー|個人番号",
        &["d{12}"],
        registers::my_number,
    ),
    checked(NATIONAL, "tckn|tc kimlik|kimlik no|t.c. kimlik", &["d{11}"], registers::turkish),
    checked(NATIONAL, "teudat zehut|israeli id|mispar zehut|תעודת זהות", &["d{9}"], luhn),
    checked(NATIONAL, "nino|national insurance|ni number", &["a{2}d{6}a"], registers::nino),
    checked(NATIONAL, "nric|fin number", &["ad{7}a"], registers::nric),
    checked(ITIN, "itin|taxpayer identification|taxpayer id", &["9d{8}"], |number| {
        matches!(&number[3..5], [b'5'..=b'9', _])
    }),
    believed(TAX, "ein|employer identification|federal tax id|fein", &["d{9}"]),
    checked(VAT, "partita iva|p. iva|p.iva", &["d{11}"], luhn),
    named(
        VAT,
        "vat id|vat number|vat no|vat reg|ust id|ust idnr|ust id nr|umsatzsteuer id|umsatzsteueridentifikationsnummer|tva|numéro de tva|\
         btw nummer|btw nr|numer vat|n.º iva|partita iva",
        &["a{2}x{8,12}"],
        |number| number.iter().filter(|byte| byte.is_ascii_digit()).count() >= 7,
    ),
    named(
        PASSPORT,
        "passport|passeport|reisepass|reisepassnummer|pasaporte|passaporto|paspoort|paspoortnummer|paszport|passaporte|\
         passport number|passnummer|numéro de passeport",
        &["a{0,3}d{6,9}", "ad{2}a{2}d{5}", "x{9,10}"],
        is_document,
    ),
    named(
        LICENCE,
        "driver license|drivers license|driver's license|driving licence|driving license|driver licence|driver's licence|\
         drivers licence|dl number|führerschein|fuhrerschein|führerscheinnummer|permis de conduire|permiso de conducir|\
         carnet de conducir|patente di guida|patente|rijbewijs|rijbewijsnummer|prawo jazdy|prawa jazdy|carta de condução|\
         carteira de habilitação|cnh|licence number|license number",
        &["a{0,3}d{5,14}", "ad{2}x{7,13}", "a{5}d{6}x{5}", "x{9,16}"],
        is_document,
    ),
    believed(
        NATIONAL,
        "dowód osobisty|dowod osobisty|dowodu osobistego|carta d'identità|carta d'identita|carta di identità|carte d'identité|\
         carte nationale d'identité|cni|cartão de cidadão|bilhete de identidade|identity card|id card|identiteitskaart",
        &["a{2,3}d{5,7}", "a{2}d{5}a{2}", "d{12}", "d{8,9}xa{2}d", "d{8,10}"],
    ),
];

/// Digits in it, several: no word and no year.
fn is_document(number: &[u8]) -> bool {
    number.len() >= 6 && number.iter().filter(|byte| byte.is_ascii_digit()).count() >= 4
}
