//! What people write in four domains and five languages; slots in braces.

/// One domain: the fields of its records, and each language's words for it.
pub(super) struct Domain {
    pub(super) name: &'static str,
    /// Keys as programs write them, and slots.
    pub(super) fields: &'static [(&'static str, &'static str)],
    pub(super) languages: &'static [Language],
}

/// One language in a domain.
pub(super) struct Language {
    pub(super) name: &'static str,
    /// The labels of the domain's fields, in their order.
    pub(super) labels: &'static [&'static str],
    pub(super) sentences: &'static [&'static str],
}

pub(super) const DOMAINS: &[Domain] = &[CLINIC, BANK, OFFICE, ENGINEERING];

const CLINIC: Domain = Domain {
    name: "clinic",
    fields: &[
        ("mrn", "mrn"),
        ("patient_name", "name"),
        ("date_of_birth", "birth"),
        ("diagnosis", "icd"),
        ("medication", "drug"),
        ("lab", "lab"),
        ("npi", "npi"),
        ("phone", "phone"),
    ],
    languages: &[
        Language {
            name: "en",
            labels: &["MRN", "Patient name", "DOB", "Diagnosis", "Medication", "Lab", "NPI", "Phone"],
            sentences: &[
                "{name} (MRN {mrn}, born {birth}) came in with fatigue.",
                "Her last result was {lab}, and she was started on {drug}.",
                "Billing wants the diagnosis code {icd} and the NPI {npi} of the physician.",
                "The patient's NHS number is {nhs}; please call back on {phone}.",
                "Medicare number {mbi} was verified at the desk.",
            ],
        },
        Language {
            name: "de",
            labels: &[
                "Patientennummer",
                "Patient",
                "Geburtsdatum",
                "Diagnose",
                "Medikation",
                "Labor",
                "NPI",
                "Telefon",
            ],
            sentences: &[
                "Frau {name}, geboren am {birth}, Patientennummer {mrn}, klagt über Müdigkeit.",
                "Das Labor ergab {lab}; verordnet wurde {drug}.",
                "Hauptdiagnose: {icd}. Rückruf bitte unter {phone}.",
            ],
        },
        Language {
            name: "fr",
            labels: &[
                "Numéro de dossier",
                "Patient",
                "Date de naissance",
                "Diagnostic principal",
                "Traitement",
                "Labo",
                "NPI",
                "Téléphone",
            ],
            sentences: &[
                "Le patient {name}, né le {birth}, numéro de dossier {mrn}, se plaint de fatigue.",
                "Le bilan montre {lab} ; on a prescrit {drug}.",
                "Numéro de sécurité sociale : {nir}. Rappeler au {phone}.",
            ],
        },
        Language {
            name: "es",
            labels: &[
                "Historia clínica",
                "Paciente",
                "Fecha de nacimiento",
                "Diagnóstico",
                "Tratamiento",
                "Laboratorio",
                "NPI",
                "Teléfono",
            ],
            sentences: &[
                "El paciente {name}, nacido el {birth}, historia clínica {mrn}, refiere cansancio.",
                "La analítica muestra {lab}; se pauta {drug}.",
                "DNI {dni}, teléfono {phone}.",
            ],
        },
        Language {
            name: "it",
            labels: &[
                "Cartella clinica",
                "Paziente",
                "Data di nascita",
                "Diagnosi",
                "Terapia",
                "Laboratorio",
                "NPI",
                "Telefono",
            ],
            sentences: &[
                "La paziente {name}, nata il {birth}, cartella clinica {mrn}, riferisce stanchezza.",
                "Gli esami mostrano {lab}; terapia: {drug}.",
                "Codice fiscale {fiscale}, telefono {phone}.",
            ],
        },
    ],
};

const BANK: Domain = Domain {
    name: "bank",
    fields: &[
        ("iban", "iban"),
        ("card_number", "card"),
        ("account_number", "account"),
        ("bic", "bic"),
        ("customer", "name"),
        ("email", "email"),
        ("routing_number", "aba"),
    ],
    languages: &[
        Language {
            name: "en",
            labels: &["IBAN", "Card", "Account number", "BIC", "Customer", "E-mail", "Routing number"],
            sentences: &[
                "Please transfer the rest to {iban}, SWIFT {bic}.",
                "{name} disputes a charge on card {card}; account number {account}.",
                "Use routing number {aba} and confirm to {email}.",
                "Her social security number is {ssn}.",
            ],
        },
        Language {
            name: "de",
            labels: &["IBAN", "Karte", "Kontonummer", "BIC", "Kunde", "E-Mail", "Routing number"],
            sentences: &[
                "Bitte überweisen Sie den Betrag auf {iban} (BIC {bic}).",
                "Herr {name} meldet die Karte {card} als gestohlen, Kontonummer {account}.",
                "Die Steuer-ID lautet {steuer}; Bestätigung an {email}.",
            ],
        },
        Language {
            name: "fr",
            labels: &["IBAN", "Carte", "Numéro de compte", "BIC", "Client", "E-mail", "Routing number"],
            sentences: &[
                "Merci de virer la somme sur {iban}, code BIC {bic}.",
                "Madame {name} conteste un débit sur la carte {card}, numéro de compte {account}.",
                "La confirmation est à envoyer à {email}.",
            ],
        },
        Language {
            name: "es",
            labels: &["IBAN", "Tarjeta", "Número de cuenta", "BIC", "Cliente", "Correo", "Routing number"],
            sentences: &[
                "Transfiera el importe a {iban}, código SWIFT {bic}.",
                "La señora {name} no reconoce un cargo en la tarjeta {card}, número de cuenta {account}.",
                "Titular con DNI {dni}, correo {email}.",
            ],
        },
        Language {
            name: "it",
            labels: &["IBAN", "Carta", "Numero di conto", "BIC", "Cliente", "E-mail", "Routing number"],
            sentences: &[
                "Si prega di versare l'importo su {iban}, codice BIC {bic}.",
                "Il signor {name} contesta un addebito sulla carta {card}, numero di conto {account}.",
                "Codice fiscale {fiscale}, conferma a {email}.",
            ],
        },
    ],
};

const OFFICE: Domain = Domain {
    name: "office",
    fields: &[
        ("employee", "name"),
        ("phone_number", "phone"),
        ("email", "email"),
        ("birth_date", "birth"),
        ("ssn", "ssn"),
        ("vin", "vin"),
    ],
    languages: &[
        Language {
            name: "en",
            labels: &["Employee", "Phone", "E-mail", "Date of birth", "SSN", "VIN"],
            sentences: &[
                "{name} lives at {street} and can be reached on {phone}.",
                "The form gives her SSN as {ssn} and her date of birth as {birth}.",
                "Company car, VIN {vin}; questions to {email}.",
            ],
        },
        Language {
            name: "de",
            labels: &["Mitarbeiter", "Telefon", "E-Mail", "Geburtsdatum", "SSN", "Fahrgestellnummer"],
            sentences: &[
                "Frau {name} wohnt in der {strasse} und ist unter {phone} zu erreichen.",
                "Geburtsdatum: {birth}, Steuer-ID {steuer}.",
                "Dienstwagen mit Fahrgestellnummer {vin}; Fragen an {email}.",
            ],
        },
        Language {
            name: "fr",
            labels: &["Employé", "Téléphone", "E-mail", "Date de naissance", "SSN", "VIN"],
            sentences: &[
                "Monsieur {name} habite {rue} et répond au {phone}.",
                "Date de naissance : {birth}, sécurité sociale {nir}.",
                "Les questions sont à adresser à {email}.",
            ],
        },
        Language {
            name: "es",
            labels: &["Empleado", "Teléfono", "Correo", "Fecha de nacimiento", "SSN", "Bastidor"],
            sentences: &[
                "La empleada {name} vive en {calle} y contesta en el {phone}.",
                "Fecha de nacimiento: {birth}; DNI {dni}.",
                "Para preguntas, {email}.",
            ],
        },
        Language {
            name: "it",
            labels: &["Dipendente", "Telefono", "E-mail", "Data di nascita", "SSN", "Telaio"],
            sentences: &[
                "Il dipendente {name} abita in {via} e risponde al {phone}.",
                "Data di nascita: {birth}; codice fiscale {fiscale}.",
                "Per domande: {email}.",
            ],
        },
    ],
};

const ENGINEERING: Domain = Domain {
    name: "engineering",
    fields: &[
        ("github_token", "github"),
        ("aws_access_key_id", "aws"),
        ("stripe_key", "stripe"),
        ("password", "password"),
        ("owner_email", "email"),
    ],
    languages: &[
        Language {
            name: "en",
            labels: &["GITHUB_TOKEN", "AWS_ACCESS_KEY_ID", "STRIPE_KEY", "DB_PASSWORD", "OWNER"],
            sentences: &[
                "The build fails with token {github} but works without it.",
                "I put {aws} into the profile and password={password} into the file.",
                "Payments use {stripe}; ask {email} for another one. Retry 3 times, 200 ms apart.",
            ],
        },
        Language {
            name: "de",
            labels: &["GITHUB_TOKEN", "AWS_ACCESS_KEY_ID", "STRIPE_KEY", "PASSWORT", "EIGENTUEMER"],
            sentences: &[
                "Der Build scheitert mit dem Token {github}, ohne ihn läuft er.",
                "Im Profil steht {aws}, und in der Datei Passwort: {password}",
                "Die Zahlungen laufen über {stripe}; sonst {email} fragen.",
            ],
        },
        Language {
            name: "fr",
            labels: &["GITHUB_TOKEN", "AWS_ACCESS_KEY_ID", "STRIPE_KEY", "MOT_DE_PASSE", "PROPRIETAIRE"],
            sentences: &[
                "La compilation échoue avec le jeton {github}.",
                "Le profil contient {aws} et le fichier mot de passe = {password}",
                "Les paiements passent par {stripe} ; sinon demander à {email}.",
            ],
        },
        Language {
            name: "es",
            labels: &["GITHUB_TOKEN", "AWS_ACCESS_KEY_ID", "STRIPE_KEY", "CONTRASEÑA", "RESPONSABLE"],
            sentences: &[
                "La compilación falla con el token {github}.",
                "El perfil tiene {aws} y el archivo contraseña: {password}",
                "Los pagos usan {stripe}; si no, preguntar a {email}.",
            ],
        },
        Language {
            name: "it",
            labels: &["GITHUB_TOKEN", "AWS_ACCESS_KEY_ID", "STRIPE_KEY", "PASSWORD", "PROPRIETARIO"],
            sentences: &[
                "La compilazione fallisce con il token {github}.",
                "Nel profilo c'è {aws} e nel file password: {password}",
                "I pagamenti usano {stripe}; altrimenti chiedere a {email}.",
            ],
        },
    ],
};
