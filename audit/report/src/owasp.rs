//! The ten risks of agentic applications, and what the log has about each.

use crate::facts::Facts;

/// Number, title of OWASP's list of 2026, the label under which earlier documents of this field have the number,
/// what stands against it.
const RISKS: [[&str; 4]; 10] = [
    [
        "ASI01",
        "Agent Goal Hijack",
        "Goal hijack",
        "Policy is enforced outside the guest; marks of injection in prompts are counted",
    ],
    [
        "ASI02",
        "Tool Misuse and Exploitation",
        "Tool misuse",
        "Four levels: binary, destination, method, path",
    ],
    [
        "ASI03",
        "Identity and Privilege Abuse",
        "Identity abuse",
        "The agent holds placeholders, never credentials",
    ],
    [
        "ASI04",
        "Agentic Supply Chain Vulnerabilities",
        "Uncontrolled code",
        "Image and policies by digest; allow list of executables",
    ],
    ["ASI05", "Unexpected Code Execution", "Data exposure", "Allow list of executables, virtual machine"],
    ["ASI06", "Memory and Context Poisoning", "Supply chain", "The writable layer ends with the sandbox"],
    [
        "ASI07",
        "Insecure Inter-Agent Communication",
        "System prompt leak",
        "A machine for each agent; no path between them but through policy",
    ],
    ["ASI08", "Cascading Failures", "Overreliance", "Each sandbox has its own policy, log and end; quotas"],
    [
        "ASI09",
        "Human-Agent Trust Exploitation",
        "Monitoring gaps",
        "Decisions and reasons are recorded for people to read",
    ],
    ["ASI10", "Rogue Agents", "Multi-agent", "Policy, detections, responses: quarantine, stop"],
];

/// A row for each risk: number, title, earlier label, control and evidence.
pub(crate) fn coverage(facts: &Facts) -> Vec<Vec<String>> {
    let rows = RISKS
        .into_iter()
        .map(|risk| risk.into_iter().map(str::to_owned).chain([evidence(risk[0], facts)]).collect());
    rows.collect()
}

fn evidence(number: &str, facts: &Facts) -> String {
    let denied = facts.denied.total();
    let found = |name| facts.detections.get(name);
    let decided = |action| facts.allowed.get(action) + facts.denied.get(action);
    let two = |first: u64, what: &str, second: u64, other: &str| format!("{first} {what}; {second} {other}");
    match number {
        "ASI01" => two(found("prompt-injection"), "prompt-injection findings", denied, "denials"),
        "ASI02" => format!(
            "{denied} denials, {} allowed; {} repeated-denials",
            facts.allowed.total(),
            found("repeated-denials")
        ),
        "ASI03" => two(
            facts.credentials.total(),
            "uses of credentials",
            facts.levels.get("credential"),
            "refused at level credential",
        ),
        "ASI04" => two(
            facts.actions.get("configuration"),
            "configurations recorded",
            found("new-binary"),
            "new-binary findings",
        ),
        "ASI05" => two(
            facts.denied.get("execution"),
            "refused executions",
            found("downloaded-program"),
            "downloaded-program findings",
        ),
        "ASI06" => "none: what an agent remembers is not in the log".to_owned(),
        "ASI07" => format!("{} inbound decisions", decided("inbound-connection")),
        "ASI08" => format!(
            "{} sandboxes; {} sudden-volume findings",
            facts.sandboxes.named().count(),
            found("sudden-volume")
        ),
        "ASI09" => format!("{} records, of them {denied} denials with reasons", facts.records),
        _ => format!("{} findings; {} changes", facts.detections.total(), facts.by_operators),
    }
}
