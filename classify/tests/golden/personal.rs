//! What is found, and what is not: personal.

use super::check;

#[test]
fn telephone_numbers() {
    check(
        "personal/phone-number",
        &[
            "+1 415 555 0132",
            "call +44 20 7946 0958",
            "+49 (0)30 901820",
            "+33 1 42 68 53 00",
            "+14155550132",
            "(415) 555-0132",
            "415-555-0132",
            "Tel.: 030 901820",
            "phone: 020 7946 0958",
            "\"phone_number\": \"4155550132\"",
            "téléphone 01 42 68 53 00",
            "móvil 612 345 678",
            "nr tel. 601 234 567",
            "Handy 0171 2345678",
        ],
        &[
            "+1 415 055 0132",
            "+999 123",
            "1 + 415555013",
            "x+14155550132",
            "+1",
            "415-055-0132",
            "115-555-0132",
            "415.555.0132 ms",
            "1415-555-01321",
            "+2024-01-01",
            "0.5 + 14155550132 x",
            "phone 12",
            "+00000000000",
            "4155550132",
        ],
    );
}

#[test]
fn births() {
    check(
        "personal/date-of-birth",
        &[
            "DOB: 03/14/1961",
            "date of birth 1961-03-14",
            "born on March 14, 1961",
            "born 14th of March 1961",
            "geboren am 3. Mai 1961",
            "geb. 03.05.1961",
            "née le 3 mai 1961",
            "nacido el 3 de mayo de 1961",
            "nato il 3 maggio 1961",
            "geboortedatum: 3 mei 1961",
            "data urodzenia 3 maja 1961",
            "data de nascimento: 03/05/1961",
            "\"birth_date\": \"1961-05-03\"",
            "dateOfBirth=1961-05-03",
        ],
        &[
            "born in 1961",
            "DOB: unknown",
            "DOB: 13/32/1961",
            "1961-05-03",
            "reborn 1961-05-03",
            "born to run",
        ],
    );
}

#[test]
fn places() {
    check(
        "personal/postal-address",
        &[
            "221B Baker Street",
            "1600 Pennsylvania Avenue",
            "350 5th Ave",
            "Musterstraße 12a",
            "wohnt in der Lange Straße 5",
            "Hauptstr. 7",
            "Keizersgracht 101",
            "12 rue de la Paix",
            "3 bis avenue Foch",
            "Calle Mayor 12",
            "Via Roma, 5",
            "ul. Długa 7",
            "Rua das Flores, 12",
            "Postfach 12345",
            "P.O. Box 4411",
        ],
        &[
            "Baker Street",
            "2 way street",
            "5 Main",
            "the 3 best drive",
            "via 5 hops",
            "Straße",
            "$5 Wall Street",
            "rue 12",
            "line 12 of Place",
        ],
    );
    check(
        "personal/postal-code",
        &[
            "San Francisco, CA 94107",
            "Austin, TX 73301-0001",
            "ZIP code: 94107",
            "SW1A 1AA",
            "London EC1A 1BB.",
            "PLZ 10115",
            "code postal 75001",
            "kod pocztowy 00-950",
        ],
        &[
            "XX 94107",
            "port, IN 80",
            "94107",
            "QQ1A 1AA",
            "zip files",
            "release-plz #1101",
            "zip 00000",
            "sw1a 1aa",
        ],
    );
}

#[test]
fn vehicles_and_devices() {
    check(
        "personal/vehicle-id",
        &["1M8GDM9AXKP042788", "VIN: WVWZZZ1JZXW000001", "Kennzeichen B-AB 1234", "license plate 7ABC123"],
        &["1M8GDM9A0KP042788", "WVWZZZ1JZXW000001", "11111111111111111", "1M8GDM9AXKP04278I"],
    );
    check(
        "personal/device-id",
        &[
            "IMEI 490154203237518",
            "IMEI: 49-015420-323751-8",
            "pacemaker serial PM1234567",
            "the patient's implant, serial number SN8812345",
        ],
        &["IMEI 490154203237519", "490154203237518", "serial number SN8812345"],
    );
    check(
        "personal/ip-address",
        &["client ip: 8.8.4.4", "IP-Adresse 93.184.216.34", "X-Forwarded-For: 2606:4700::1111"],
        &[
            "client ip: 10.0.0.1",
            "8.8.4.4",
            "client ip: 127.0.0.1",
            "ip address 1.2.3",
            "x-forwarded-for: 192.0.2.1",
        ],
    );
    check(
        "personal/mac-address",
        &["MAC address 3c:22:fb:12:34:56", "mac=3c-22-fb-12-34-56"],
        &["3c:22:fb:12:34:56", "mac 00:00:00:00:00:00", "mac os 12:34"],
    );
}

#[test]
fn names() {
    check(
        "personal/name",
        &[
            "Patient Jane Holloway was admitted with chest pain.",
            "Dear Mr. Carlsson, thank you for your letter.",
            "Please send the invoice to Miguel Fernández in Sevilla.",
            "Frau Annegret Lindemann wohnt in Köln.",
            "Le dossier de Camille Rousseau est complet.",
            "Il signor Marco Bianchi lavora a Torino.",
            "\"customer\": \"Oliver Thornton\"",
            "I spoke with Priya Raman and Tom Becker yesterday.",
            "The contract was signed by Katarzyna Nowak.",
            "O paciente João Silva mora em Lisboa.",
        ],
        &[
            "Visual Studio Code opens the Command Palette.",
            "Docker Compose starts the Load Balancer.",
            "The Pull Request was merged into Main Branch.",
            "class FileSystem extends BlockDevice",
            "See Chapter Seven of the Reference Manual.",
            "May the Force be with you.",
            "You are Claude Code, a coding agent.",
            "Compare Claude Sonnet with Gemini Flash and Mistral Large.",
            "The Jenkins Pipeline runs Jest Tests on Travis.",
            "Java Spring Boot and Ruby on Rails are frameworks.",
        ],
    );
}
