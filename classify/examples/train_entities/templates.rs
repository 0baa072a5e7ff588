//! Sentences put together: people as letters, records, tickets and forms name them, in eight languages; and capitals that
//! name nobody.

use std::ops::Range;

use classify::entities::tag::Kind;

use crate::corpus::Sentence;

const FIRST: &str = include_str!("../../data/first-names.txt");
const LAST: &str = include_str!("../../data/last-names.txt");

/// `F` a first name, `L` a last name, `P` a place, `O` an organisation, `#` a number, in braces.
const NAMED: &[&str] = &[
    "Patient {F} {L} was seen in the clinic on Monday.",
    "{F} {L}, a #-year-old man, was admitted with chest pain.",
    "Dear {F} {L}, thank you for your message of last week.",
    "Dear Mr. {L}, please find attached the contract.",
    "Mrs. {L} called about the invoice number #.",
    "Dr. {F} {L} reviewed the results and discharged her.",
    "Dr. {L} ordered a scan.",
    "Hi {F}, could you ask {F} {L} for the report?",
    "The account of {F} {L} at {O} was closed in {P}.",
    "Please send the card to {F} {L}, who lives in {P}.",
    "name: {F} {L}",
    "Name: {L}, {F}",
    "\"name\": \"{F} {L}\", \"age\": #",
    "\"customer\": \"{F} {L}\", \"city\": \"{P}\"",
    "Employee {F} {L} of {O} reported the incident.",
    "From: {F} {L} to {F} {L}, subject: meeting",
    "{F} {L} and {F} {L} signed the agreement with {O}.",
    "Regards,  {F} {L}",
    "Our colleague {F} {F} {L} moved from {P} to {P}.",
    "I met {F} {L} at {O} in {P} last year.",
    "Write a letter to {F} {L} about the loan.",
    "Summarise the file of {F} {L} and list the medication.",
    "{F} {L} (born #) is insured with {O}.",
    "Der Patient {F} {L} wurde am Montag aufgenommen.",
    "Frau {L} hat angerufen und bittet um Rückruf.",
    "Sehr geehrter Herr {L}, vielen Dank für Ihre Nachricht.",
    "Herr {F} {L} wohnt in {P} und arbeitet bei {O}.",
    "Bitte überweisen Sie den Betrag an {F} {L}.",
    "Le patient {F} {L} est suivi depuis # ans.",
    "Madame {L} habite à {P}.",
    "M. {F} {L} a ouvert un compte chez {O}.",
    "Le dossier de {F} {L} est complet.",
    "El paciente {F} {L} fue atendido en {P}.",
    "La señora {L} llamó ayer a {O}.",
    "Estimado {F} {L}: le enviamos la factura.",
    "Il paziente {F} {L} è nato a {P}.",
    "La signora {F} {L} lavora per {O}.",
    "De heer {F} {L} woont in {P}.",
    "Mevrouw {L} belt morgen terug.",
    "Pan {F} {L} mieszka w {P}.",
    "Pacjentka {F} {L} zgłosiła się wczoraj.",
    "<name>{F} {L}</name>",
    "<patient>{F} {L}</patient><city>{P}</city>",
    "<record><employee>{F} {L}</employee></record>",
    "{\"id\": #, \"employee\": \"{F} {L}\", \"age\": #}",
    "\"client\": \"{F} {L}\",",
    "\"owner\": \"{F} {L}\", \"team\": \"{O}\"",
    "{F} {L};{P};#",
    "Client: {F} {L}",
    "Kunde: {F} {L}",
    "Paciente: {F} {L}",
    "Il signor {F} {L} contesta la fattura di #.",
    "Il dipendente {F} {L} abita a {P}.",
    "La empleada {F} {L} vive en {P} y trabaja en {O}.",
    "La señora {F} {L} no reconoce el cargo.",
    "Monsieur {F} {L} habite {P} et travaille chez {O}.",
    "Madame {F} {L} conteste la facture.",
    "Frau {F} {L} wohnt in {P} und ist erreichbar.",
    "Herr {F} {L} meldet den Verlust der Karte.",
    "{F} {L} lives in {P} and can be reached by phone.",
    "{F} {L} (record #) came in with fatigue.",
    "{F} {L} disputes a charge on the card.",
    "{F} {L} complained about the delay.",
    "Yesterday {F} {L} told me about the new house.",
    "My neighbour {F} {L} asked whether {F} was at home.",
    "O paciente {F} {L} mora em {P}.",
    "A senhora {F} {L} trabalha na {O}.",
];

/// `C`, `D`, `E`: capitalised words of trade that are nobody.
const UNNAMED: &[&str] = &[
    "The {C} {D} returns an error when the {C} is full.",
    "Open {C} {D} and click {E} to continue.",
    "{C} {D} # was released with a new {E} interface.",
    "Use the {C} {D} for {E} tests.",
    "See the {C} {D} Guide, chapter #.",
    "- {C} {D}: {E} the queue",
    "## {C} {D}",
    "# {E} {C}",
    "Install {C} {D} before you run the {E}.",
    "\"name\": \"{C} {D}\", \"version\": #",
    "title: {C} {D} {E}",
    "{E} {C} {D} failed with status #.",
    "INFO {C}{D}: {E} finished in # ms",
    "class {C}{D} extends {E}{C}:",
    "The patient approach is to measure {C} {D} first.",
    "Dear team, the {C} {D} is done.",
    "Call {C} {D} from the {E} menu.",
    "{C} {D} and {E} {D} are part of the {C} Platform.",
    "On Monday the {C} {D} meets in Conference Room #.",
    "You are {C} {D}, an assistant made by {E}.",
    "Compare {C} {D} with {E} {C} #.",
    "We moved from {C} to {D} last year; {E} {C} was too slow.",
    "Ask {C} {D} to write the tests.",
    "{C} and {D} are the models that we use.",
    "Die {C} {D} ist fertig.",
    "Le {C} {D} est disponible.",
    "El {C} {D} no responde.",
];

const PLACES: &str = "Berlin Hamburg Munich Vienna Zürich London Leeds Bristol Paris Lyon Marseille Madrid Sevilla Valencia Rome Milano \
    Torino Amsterdam Utrecht Rotterdam Warsaw Kraków Lisbon Porto Boston Chicago Denver Seattle Austin Dallas Toronto Sydney Dublin \
    Köln Stuttgart Leipzig Napoli Bologna Toulouse Bordeaux Bilbao Málaga Gdańsk Poznań Coimbra Brussels Antwerp Stockholm Oslo";
const ORGANISATIONS: &str = "Siemens Allianz Barclays Lloyds Santander Telefónica Renault Michelin Philips Heineken Unilever Novartis \
    Roche Pfizer Merck Bayer Deloitte Accenture Orange Vodafone Lufthansa Iberia Ferrero Barilla Nestlé Danone Citibank Kaiser Aetna";
const TRADE: &str = "Docker Compose Visual Studio Code Cloud Run Apache Kafka Spring Boot Google Sheets Azure Functions Data Frame \
    Command Line Pull Request Merge Queue Access Control List Load Balancer Unit Test Service Mesh Key Value Store Open Source \
    Machine Learning Deep Network Control Plane Data Plane Release Notes Change Log Error Handler Event Loop Thread Pool Memory \
    Map File System Block Device Virtual Machine Host Guest Kernel Module Policy Engine Audit Trail Privacy Router Content Type \
    User Agent Request Header Response Body Status Table Index Query Plan Schema Migration Feature Flag Build System Package \
    Manager Language Server Syntax Tree Type Checker Public Private Secret Token Session Cookie Form Field Button Menu Window \
    Screen Page View Model Controller Factory Adapter Bridge Proxy Observer Visitor Builder Reader Writer Parser Lexer Compiler \
    Linker Loader Runtime Garbage Collector Scheduler Worker Job Task Batch Stream Batch Pipeline Stage Step Phase Report Summary \
    Chapter Section Figure Appendix Introduction Overview Quick Start Getting Started Advanced Topics Best Practices Known Issues \
    Claude Sonnet Opus Haiku Claude Code Gemini Pro Flash Llama Instruct Mistral Large Codestral Qwen Coder Grok Cohere \
    Nemotron Super Ultra Nano Julia Ruby Perl Jasmine Jest Mocha Ada Pascal Haskell Elixir Phoenix Crystal Django Flask Rails Laravel \
    Gatsby Hugo Jekyll Astro Svelte Alexa Siri Watson Copilot Cursor Devin Maven Gradle Jackson Hibernate Bootstrap Tailwind \
    Red Hat Ubuntu Debian Fedora Linux Windows Android Chrome Firefox Safari Edge Jenkins Travis Circle Kubernetes Helm Terraform \
    Ansible Puppet Vault Consul Nomad Prometheus Grafana Jaeger Envoy Nginx Redis Postgres Mongo Cassandra Elastic Spark Flink";

/// `count` sentences, half of them without anybody.
pub(crate) fn sentences(count: usize) -> Vec<Sentence> {
    let mut random = Random(42);
    let lists =
        [FIRST, LAST, PLACES, ORGANISATIONS, TRADE].map(|list| list.split_whitespace().collect::<Vec<_>>());
    (0..count)
        .map(|at| {
            let templates = if at % 2 == 0 { NAMED } else { UNNAMED };
            filled(templates[random.below(templates.len())], &lists, &mut random)
        })
        .collect()
}

fn filled(template: &str, lists: &[Vec<&str>; 5], random: &mut Random) -> Sentence {
    let (mut text, mut entities) = (String::new(), Vec::<(Kind, Range<usize>)>::new());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '#']) {
        text.push_str(&rest[..at]);
        if rest[at..].starts_with('#') {
            text.push_str(&random.below(100).to_string());
            rest = &rest[at + 1..];
            continue;
        }
        let start = text.len();
        let (list, kind) = match rest.as_bytes()[at + 1] {
            b'F' => (0, Some(Kind::Person)),
            b'L' => (1, Some(Kind::Person)),
            b'P' => (2, Some(Kind::Location)),
            b'O' => (3, Some(Kind::Organisation)),
            _ => (4, None),
        };
        text.push_str(lists[list][random.below(lists[list].len())]);
        let goes_on = entities.last().is_some_and(|(last, at)| {
            Some(*last) == kind && at.end + 1 == start && kind == Some(Kind::Person)
        });
        match (kind, entities.last_mut()) {
            (Some(_), Some((_, at))) if goes_on => at.end = text.len(),
            (Some(kind), _) => entities.push((kind, start..text.len())),
            (None, _) => {}
        }
        rest = &rest[at + 3..];
    }
    text.push_str(rest);
    Sentence::with(text, &entities)
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit
    }
}
