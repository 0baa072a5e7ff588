//! What leads to a person: telephone numbers without a country code, devices, vehicles, postcodes.

use super::super::checksum::luhn;
use super::super::vehicle;
use super::{Label, believed, checked, in_care, named};
use crate::category::Category;

pub(super) const PHONE: Category = Category::personal("phone-number");
const POSTCODE: Category = Category::personal("postal-code");
const DEVICE: Category = Category::personal("device-id");
const VEHICLE: Category = Category::personal("vehicle-id");

/// The words, in eight languages.
pub(super) const LABELS: &[Label] = &[
    named(
        PHONE,
        "phone|phone number|telephone|tel|tel.|mobile|mobile number|cell|cell phone|fax|fax number|call me|call me at|text me|\
         whatsapp|telefon|telefonnummer|handy|handynummer|mobil|mobilnummer|rufnummer|téléphone|telephone|portable|\
         télécopie|tél|teléfono|telefono|móvil|movil|celular|cellulare|telefoon|telefoonnummer|mobiel|komórka|komórkowy|\
         nr tel|telefone|telemóvel|telemovel|numer telefonu|contact number|reach me at|ring me",
        &["d{7,15}"],
        is_phone,
    ),
    named(
        POSTCODE,
        "zip code|zip|zipcode|postal code|postcode|post code|plz|postleitzahl|code postal|código postal|codigo postal|\
         codice postale|kod pocztowy|cep",
        &["d{5}", "d{9}", "d{7,8}", "d{4}aa", "ad{1}ad{1}ad{1}", "a{1,2}dx{0,1}daa", "dd{1}d{3}"],
        |number| number.iter().any(|digit| *digit != b'0'),
    ),
    checked(DEVICE, "imei|imei number|device|handset", &["d{15}"], luhn),
    believed(
        DEVICE,
        "imsi|iccid|device serial|implant serial|pacemaker serial|udi",
        &["a{1,4}d{5,16}", "d{8,20}", "d{1,4}a{1,4}d{3,14}", "a{1,4}d{1,4}a{1,4}d{2,10}"],
    ),
    in_care(
        DEVICE,
        "serial no|serial number|serial|sn|device id|device identifier|seriennummer|numéro de série|número de serie|\
         numero di serie|numer seryjny|serienummer|número de série|lot number",
        &["a{1,4}d{5,16}", "d{8,20}", "d{1,4}a{1,4}d{3,14}", "a{1,4}d{1,4}a{1,4}d{2,10}"],
    ),
    checked(
        VEHICLE,
        "vin|vehicle identification|fahrgestellnummer|fin|numéro de châssis|bastidor|telaio",
        &["x{17}"],
        vehicle::is_plausible,
    ),
    named(
        VEHICLE,
        "license plate|licence plate|number plate|plate number|kennzeichen|amtliches kennzeichen|plaque d'immatriculation|\
         immatriculation|matrícula|matricula|targa|kenteken|tablica rejestracyjna|nr rejestracyjny|placa|registration plate",
        &["a{1,3}d{1,4}a{0,3}", "d{1,4}a{1,3}d{0,4}", "a{2,3}d{4,5}", "a{2,3}d{2,4}a{1,2}", "d{2}a{2}d{2}"],
        |plate| plate.len() >= 5,
    ),
];

/// Written as one dials it: a trunk prefix, an area and a number; not a date or a count.
fn is_phone(number: &[u8]) -> bool {
    let is_date = number.len() == 8 && matches!(&number[..2], b"19" | b"20");
    number.iter().any(|digit| *digit != number[0]) && !is_date
}
