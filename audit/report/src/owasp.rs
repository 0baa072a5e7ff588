//! The ten risks of agentic applications, and what the log has about each.

use crate::facts::Facts;

/// Number, title of OWASP's list of 2026, the label under which earlier documents of this field have the number.
const RISKS: [(&str, &str, &str); 10] = [
    ("ASI01", "Agent Goal Hijack", "Goal hijack"),
    ("ASI02", "Tool Misuse and Exploitation", "Tool misuse"),
    ("ASI03", "Identity and Privilege Abuse", "Identity abuse"),
    ("ASI04", "Agentic Supply Chain Vulnerabilities", "Uncontrolled code"),
    ("ASI05", "Unexpected Code Execution", "Data exposure"),
    ("ASI06", "Memory and Context Poisoning", "Supply chain"),
    ("ASI07", "Insecure Inter-Agent Communication", "System prompt leak"),
    ("ASI08", "Cascading Failures", "Overreliance"),
    ("ASI09", "Human-Agent Trust Exploitation", "Monitoring gaps"),
    ("ASI10", "Rogue Agents", "Multi-agent"),
];

/// A row for each risk: number, title, earlier label, control and evidence.
pub(crate) fn coverage(facts: &Facts) -> Vec<Vec<String>> {
    let rows = RISKS.into_iter().map(|(number, title, label)| {
        let (control, evidence) = covered(number, facts);
        vec![number.to_owned(), title.to_owned(), label.to_owned(), control.to_owned(), evidence]
    });
    rows.collect()
}

fn covered(number: &str, facts: &Facts) -> (&'static str, String) {
    let denied = facts.denied.total();
    let executions = facts.denied.get("execution");
    let found = |name| facts.detections.get(name);
    match number {
        "ASI01" => (
            "Policy is enforced outside the guest; marks of injection in prompts are counted",
            format!("{} prompt-injection findings; {denied} denials", found("prompt-injection")),
        ),
        "ASI02" => (
            "Four levels: binary, destination, method, path",
            format!(
                "{denied} denials, {} allowed; {} repeated-denials",
                facts.allowed.total(),
                found("repeated-denials")
            ),
        ),
        "ASI03" => (
            "The agent holds placeholders, never credentials",
            format!(
                "{} uses of credentials; {} refused at level credential",
                facts.credentials.total(),
                facts.levels.get("credential")
            ),
        ),
        "ASI04" => (
            "Image and policies by digest; allow list of executables",
            format!(
                "{} configurations recorded; {} new-binary findings",
                facts.actions.get("configuration"),
                found("new-binary")
            ),
        ),
        "ASI05" => (
            "Allow list of executables, virtual machine",
            format!(
                "{executions} refused executions; {} downloaded-program findings",
                found("downloaded-program")
            ),
        ),
        "ASI06" => (
            "The writable layer ends with the sandbox",
            "none: what an agent remembers is not in the log".to_owned(),
        ),
        "ASI07" => (
            "A machine for each agent; no path between them but through policy",
            format!(
                "{} inbound decisions",
                facts.allowed.get("inbound-connection") + facts.denied.get("inbound-connection")
            ),
        ),
        "ASI08" => (
            "Each sandbox has its own policy, log and end; quotas",
            format!(
                "{} sandboxes; {} sudden-volume findings",
                facts.sandboxes.named().count(),
                found("sudden-volume")
            ),
        ),
        "ASI09" => (
            "Decisions and reasons are recorded for people to read",
            format!("{} records, of them {denied} denials with reasons", facts.records),
        ),
        _ => (
            "Policy, detections, responses: pause, quarantine, stop",
            format!("{} findings; {} changes", facts.detections.total(), facts.changes.lines.len()),
        ),
    }
}
