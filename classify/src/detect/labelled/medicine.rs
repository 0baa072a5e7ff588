//! What was measured in a person and what a person takes: laboratory results, vital signs, medication with its dose,
//! conditions that somebody is said to have.

use std::ops::Range;

use super::super::words::Word;
use super::{Label, read, starts};
use crate::category::Category;

const LAB: Category = Category::health("lab-result");
const VITAL: Category = Category::health("vital-sign");
const MEDICATION: Category = Category::health("medication");
const CONDITION: Category = Category::health("condition");

/// The words.
pub(super) const LABELS: &[Label] = &[
    read(
        LAB,
        "hba1c|a1c|hemoglobin a1c|glucose|fasting glucose|blood sugar|blutzucker|glucosa|glycémie|glicemia|cholesterol|\
         cholesterin|cholestérol|colesterol|colesterolo|ldl|hdl|triglycerides|triglyzeride|creatinine|kreatinin|créatinine|\
         creatinina|egfr|hemoglobin|haemoglobin|hämoglobin|hémoglobine|hemoglobina|hematocrit|platelets|leukocytes|wbc|rbc|\
         psa|tsh|ft4|alt|ast|ggt|alp|bilirubin|bilirubine|albumin|potassium|kalium|sodium|natrium|calcium|crp|esr|ferritin|\
         vitamin d|b12|inr|troponin|bnp|nt probnp|viral load|cd4|cd4 count|d dimer|urea|bun|uric acid|lactate|amylase|\
         lipase|cortisol|hcg|insulin level",
        result,
    ),
    read(
        VITAL,
        "blood pressure|bp|blutdruck|tension artérielle|presión arterial|pressione arteriosa|bloeddruk|ciśnienie|\
         pressão arterial|rr",
        pressure,
    ),
    read(
        MEDICATION,
        "metformin|metformina|insulin|insulin glargine|lantus|humalog|novolog|ozempic|semaglutide|semaglutid|liraglutide|\
         dulaglutide|empagliflozin|dapagliflozin|sitagliptin|glipizide|glimepiride|lisinopril|ramipril|enalapril|losartan|\
         valsartan|candesartan|amlodipine|amlodipin|amlodipino|nifedipine|metoprolol|bisoprolol|carvedilol|atenolol|\
         propranolol|furosemide|torasemid|hydrochlorothiazide|spironolactone|atorvastatin|atorvastatine|simvastatin|\
         rosuvastatin|pravastatin|aspirin|clopidogrel|warfarin|apixaban|eliquis|rivaroxaban|xarelto|dabigatran|heparin|\
         enoxaparin|marcumar|phenprocoumon|omeprazole|omeprazol|pantoprazole|pantoprazol|esomeprazole|ranitidine|\
         levothyroxine|levothyroxin|l thyroxin|prednisone|prednisolone|prednisolon|dexamethasone|hydrocortisone|albuterol|\
         salbutamol|budesonide|montelukast|amoxicillin|amoxicilline|amoxicilina|augmentin|azithromycin|ciprofloxacin|\
         levofloxacin|doxycycline|cephalexin|ceftriaxone|vancomycin|clindamycin|metronidazole|nitrofurantoin|ibuprofen|\
         ibuprofène|ibuprofeno|paracetamol|acetaminophen|naproxen|diclofenac|tramadol|oxycodone|hydrocodone|morphine|\
         morphin|fentanyl|methadone|buprenorphine|naloxone|gabapentin|pregabalin|sertraline|sertralin|fluoxetine|\
         citalopram|escitalopram|venlafaxine|duloxetine|bupropion|mirtazapine|trazodone|amitriptyline|quetiapine|\
         olanzapine|risperidone|aripiprazole|lithium|valproate|lamotrigine|levetiracetam|carbamazepine|phenytoin|diazepam|\
         lorazepam|alprazolam|clonazepam|zolpidem|methylphenidate|adderall|donepezil|memantine|levodopa|tamoxifen|\
         letrozole|methotrexate|methotrexat|adalimumab|humira|etanercept|rituximab|tacrolimus|cyclosporine|azathioprine|\
         hydroxychloroquine|allopurinol|colchicine|alendronate|sildenafil|tadalafil|finasteride|tamsulosin|estradiol|\
         testosterone|biktarvy|truvada|descovy|dolutegravir|tenofovir|emtricitabine|efavirenz|remdesivir|paxlovid",
        dose,
    ),
    read(
        CONDITION,
        "diagnosed with|diagnosis of|suffers from|suffering from|history of|treated for|tested positive for|leidet an|\
         leidet unter|diagnose|diagnostiziert mit|erkrankt an|souffre de|atteint de|atteinte de|antécédents de|padece|\
         padece de|diagnosticado con|diagnosticada con|antecedentes de|soffre di|affetto da|affetta da|lijdt aan|\
         gediagnosticeerd met|choruje na|cierpi na|rozpoznano|sofre de|diagnosticado com|diagnosticada com|diagnosis",
        condition,
    ),
];

/// Units of laboratory results.
const UNITS: &[&str] = &[
    "mg/dl",
    "g/dl",
    "mmol/l",
    "mmol/mol",
    "umol/l",
    "µmol/l",
    "ng/ml",
    "ng/dl",
    "pg/ml",
    "ug/dl",
    "µg/l",
    "mcg/dl",
    "iu/l",
    "iu/ml",
    "u/l",
    "miu/l",
    "mu/l",
    "uiu/ml",
    "meq/l",
    "g/l",
    "mg/l",
    "%",
    "copies/ml",
    "cells/mm3",
    "cells/ul",
    "mm/h",
    "ml/min",
    "10^9/l",
    "x10^9/l",
    "k/ul",
    "pmol/l",
    "nmol/l",
];

/// Units of doses.
const DOSES: &[&str] = &[
    "mg",
    "mcg",
    "µg",
    "ug",
    "g",
    "ml",
    "units",
    "unit",
    "iu",
    "ie",
    "tablets",
    "tabs",
    "tablet",
    "puffs",
    "mikrogramm",
];

/// Diseases, and beginnings of their names, in eight languages.
const DISEASES: &[&str] = &[
    "diabet",
    "hypertens",
    "hyperton",
    "ipertens",
    "nadciśnien",
    "hiv",
    "aids",
    "cancer",
    "krebs",
    "cáncer",
    "cancro",
    "tumor",
    "kanker",
    "carcinom",
    "leukemi",
    "leukämi",
    "lymphom",
    "melanom",
    "depress",
    "dépress",
    "bipolar",
    "schizophren",
    "esquizofren",
    "anxiety",
    "angststör",
    "asthma",
    "asma",
    "astma",
    "copd",
    "epilep",
    "parkinson",
    "alzheimer",
    "dement",
    "démence",
    "stroke",
    "schlaganfall",
    "heart failure",
    "herzinsuffizienz",
    "hepatitis",
    "hépatite",
    "cirrhosis",
    "tubercul",
    "tuberkul",
    "syphilis",
    "chlamydia",
    "gonorrh",
    "herpes",
    "covid",
    "pneumoni",
    "sepsis",
    "arthritis",
    "lupus",
    "crohn",
    "colitis",
    "psoria",
    "multiple sclerosis",
    "multipler sklerose",
    "sclérose",
    "esclerosis",
    "als",
    "autism",
    "adhd",
    "ptsd",
    "anorexi",
    "bulimi",
    "addiction",
    "alcoholism",
    "substance",
    "kidney",
    "nieren",
    "renal",
    "angina",
    "infarct",
    "fibrill",
    "anemia",
    "anämie",
    "thrombo",
    "embolism",
    "migraine",
    "migräne",
    "endometrio",
    "obesity",
    "adipositas",
    "gout",
    "gicht",
    "sarcom",
    "glioblastom",
    "myelom",
    "osteopor",
    "hypothyr",
    "hyperthyr",
    "pregnan",
    "schwanger",
    "sinusitis",
    "bronchitis",
];

/// A number and a unit of laboratories behind the word.
fn result(word: Word<'_>) -> Option<Range<usize>> {
    measured(word, UNITS)
}

/// A number and a unit of doses behind the word.
fn dose(word: Word<'_>) -> Option<Range<usize>> {
    let at = measured(word, DOSES)?;
    Some(word.start..at.end)
}

fn measured(word: Word<'_>, units: &[&str]) -> Option<Range<usize>> {
    if !word.stands_alone() {
        return None;
    }
    let start = starts(word).take(5).find(|start| word.text[*start].is_ascii_digit())?;
    let end = start + number(&word.text[start..]);
    let gap = word.text[end..].iter().take(2).take_while(|byte| matches!(byte, b' ' | b'-')).count();
    let length = unit(&word.text[end + gap..], units)?;
    Some(start..end + gap + length)
}

/// Length of a number with at most one point in it.
fn number(text: &[u8]) -> usize {
    let length =
        text.iter().take(8).take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')).count();
    text[..length].iter().rposition(u8::is_ascii_digit).map_or(0, |last| last + 1)
}

fn unit(text: &[u8], units: &[&str]) -> Option<usize> {
    let unit = units.iter().filter(|unit| {
        let unit = unit.as_bytes();
        let ends = text.get(unit.len()).is_none_or(|next| !next.is_ascii_alphanumeric() && *next != b'/');
        text.get(..unit.len()).is_some_and(|head| head.eq_ignore_ascii_case(unit)) && ends
    });
    unit.map(|unit| unit.len()).max()
}

/// `140/90` behind the word.
fn pressure(word: Word<'_>) -> Option<Range<usize>> {
    if !word.stands_alone() {
        return None;
    }
    let start = super::behind_fillers(word)?;
    let digits = |at: usize| word.text[at..].iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let upper = start + digits(start);
    let slash = word.text.get(upper) == Some(&b'/');
    let end = upper + 1 + digits((upper + 1).min(word.text.len()));
    let value = |at: Range<usize>| super::super::checksum::decimal(&word.text[at]);
    let plausible =
        slash && (70..=260).contains(&value(start..upper)) && (30..=160).contains(&value(upper + 1..end));
    plausible.then_some(start..end)
}

/// A disease that somebody is said to have.
fn condition(word: Word<'_>) -> Option<Range<usize>> {
    if !word.stands_alone() {
        return None;
    }
    starts(word).take(5).find_map(|start| {
        let rest = &word.text[start..];
        let named = |disease: &&&str| {
            rest.get(..disease.len()).is_some_and(|head| head.eq_ignore_ascii_case(disease.as_bytes()))
        };
        DISEASES.iter().find(named)?;
        let length =
            rest.iter().take(32).take_while(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii()).count();
        Some(start..start + length)
    })
}
