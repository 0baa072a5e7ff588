//! What is found, and what is not: health.

use super::check;

#[test]
fn records_and_plans() {
    check(
        "health/medical-record-number",
        &[
            "MRN: 00123456",
            "MRN 1234567",
            "medical record number is 4471-8823",
            "\"patient_id\": \"PT48213\"",
            "{\"mrn\":\"8812345\"}",
            "patientMrn=8812345",
            "Patientennummer 4711882",
            "numéro de dossier : 20391174",
            "historia clínica nº 883211",
            "cartella clinica 2023881",
            "numer pacjenta: 551234",
            "número do paciente 7712345",
            "patiëntnummer 9912345",
        ],
        &[
            "MRN is unknown",
            "mrn_lookup(12)",
            "the MRN field",
            "0012345678 rows",
            "patient id: null",
            "MRN 00000000",
        ],
    );
    check(
        "health/health-plan-number",
        &[
            "Medicare number 1EG4-TE5-MK73",
            "beneficiary 1EG4-TE5-MK73",
            "1EG4TE5MK73",
            "Member ID: W123456789",
            "\"subscriber_id\": \"XYZ123456789\"",
            "KVNR A123456780",
            "health plan number 8876123409",
        ],
        &["1SG4-TE5-MK73", "0EG4-TE5-MK73", "KVNR A123456781", "member id: unknown", "W123456789"],
    );
    check(
        "health/nhs-number",
        &["NHS number: 943 476 5919", "NHS no. 9434765919"],
        &["NHS 943 476 5918", "9434765919"],
    );
    check(
        "health/provider-number",
        &["NPI 1234567893", "\"npi\": \"1234567893\""],
        &["NPI 1234567894", "1234567893"],
    );
    check(
        "health/prescriber-number",
        &["DEA AB1234563", "DEA number: AB1234563"],
        &["DEA AB1234564", "AB1234563"],
    );
}

#[test]
fn codes() {
    check(
        "health/diagnosis-code",
        &["Dx: E11.9", "ICD-10 code J45.909", "diagnosis: I10", "Diagnose F32.1", "ICD-10: E11.9, I10"],
        &["E11.9", "section B12.3", "Dx: unknown", "error E0308"],
    );
    check(
        "health/procedure-code",
        &["the patient was billed CPT 99213", "clinic visit, HCPCS J1100"],
        &["CPT 99213 in a spreadsheet", "99213"],
    );
    check("health/drug-code", &["NDC 0002-8215-01", "PZN 04114918"], &["0002-8215-01"]);
}

#[test]
fn dates_and_ages() {
    check(
        "health/date",
        &[
            "The patient was admitted on March 3, 2024 to the ICU",
            "Date of service: 2024-03-03, clinic A",
            "hospital discharge date 03/09/2024",
            "Aufnahmedatum 03.03.2024, Station 4",
            "admitted 3 Mar to hospital",
        ],
        &["admitted in 2024 to the hospital", "discharged the battery on 2024-03-03", "2024-03-03"],
    );
    check(
        "health/age-over-89",
        &[
            "a 93-year-old woman",
            "aged 91",
            "Alter: 94",
            "she is 102 years old",
            "95 Jahre alt",
            "92 ans",
            "93yo male",
        ],
        &["a 45-year-old woman", "aged 89", "age 150", "93 lines", "age: 9.5", "page 93", "1993 years old"],
    );
}

#[test]
fn measurements_and_medication() {
    check(
        "health/lab-result",
        &[
            "HbA1c 8.2 %",
            "fasting glucose: 180 mg/dL",
            "TSH was 4.1 mIU/L",
            "Kreatinin 1,3 mg/dl",
            "LDL 160 mg/dL",
        ],
        &["glucose is a sugar", "alt text 5 lines", "sodium 5", "CRP 5 files"],
    );
    check(
        "health/vital-sign",
        &["BP 140/90", "blood pressure was 152/95 mmHg"],
        &["bp 4/5", "blood pressure 9000", "140/90"],
    );
    check(
        "health/medication",
        &["metformin 500 mg twice daily", "Lantus 20 units", "takes Sertraline 50mg", "lithium 300 mg"],
        &["lithium battery", "lithium 300 cells", "aspirin is a drug", "500 mg"],
    );
    check(
        "health/condition",
        &[
            "was diagnosed with type 2 diabetes",
            "leidet an Depression",
            "tested positive for HIV",
            "souffre de dépression",
        ],
        &["diagnosed with a profiler", "suffers from latency", "history of changes", "diabetes is common"],
    );
}
