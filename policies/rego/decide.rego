# The meaning of the rules, in Rego: a second reading beside the compiled one.
#
# `data` is the network part of a policy as policies/src/translate.rs writes it: rules by number, their
# patterns as regular expressions, and their numbers by host and port. So this module looks only at the
# rules that speak about the request's destination, whatever the size of the policy.
#
# input: {owners: [path], host, port, method, path, parameters: [[name, value, folded name]], query_length,
# fields: [[name, value, folded name]], now}. `decision` is the answer: {allow, rule, level}; a permit with a level is for
# a request that its rule would refuse if it were not on trial.
package openshell.decide

import rego.v1

levels := ["binary", "destination", "method", "path", "condition"]

default allow := false

allow if decision.allow

# ---- which rules speak about the destination

labels := split(input.host, ".")

# What follows the first label, the second one, …
suffixes := [concat(".", array.slice(labels, start + 1, count(labels))) | some start, _ in labels; start + 1 < count(labels)]

port := format_int(input.port, 10)

# Each comprehension stands in a rule of its own: in regorus' virtual machine (0.14.1) a comprehension that
# loops over an empty list empties those after it in the same body.
named_node(index) := [node | node := index.exactly[input.host]]

parent_node(index) := [node | node := index.one_label_before[suffixes[0]]]

ancestor_nodes(index) := [node | some suffix in suffixes; node := index.any_depth_before[suffix]]

nodes(index) := array.concat(array.concat(named_node(index), parent_node(index)), ancestor_nodes(index))

at_this_port(node) := [id | some id in node.ports[port]]

at_every_port(node) := [id | some id in node.every]

in_range(node) := [range[2] | some range in node.ranges; range[0] <= input.port; input.port <= range[1]]

at_port(node) := array.concat(array.concat(at_this_port(node), at_every_port(node)), in_range(node))

speaking(index) := {id | some node in nodes(index); some id in at_port(node)}

allowing := speaking(data.allowing)

denying := speaking(data.denying)

# ---- what a rule says

matches(patterns, text) if {
	some pattern in patterns
	regex.match(pattern, text)
}

binary_denied(rule) if {
	some owner in input.owners
	matches(rule.binary.deny, owner)
}

owners_allowed(rule) := [owner | some owner in input.owners; matches(rule.binary.allow, owner)]

binds(rule) if count(owners_allowed(rule)) > 0

binary(rule) := "denied" if binary_denied(rule)

else := "allowed" if {
	count(input.owners) > 0
	count(owners_allowed(rule)) == count(input.owners)
}

else := "not allowed"

method_listed(methods) if "*" in methods

method_listed(methods) if input.method in methods

# A deny list of paths sees what a server may see: without a slash at the end, visible characters decoded,
# letters of either case.
escapes := split(input.path, "%")

unescaped := concat("", array.concat([escapes[0]], [plain(escapes[i]) | some i, _ in escapes; i > 0]))

plain(part) := concat("", [data.unescape[upper(substring(part, 0, 2))], substring(part, 2, -1)]) if {
	data.unescape[upper(substring(part, 0, 2))]
}

else := concat("", ["%", part])

loose := concat("", ["/", trim_suffix(substring(lower(unescaped), 1, -1), "/")])

path_denied(rule) if {
	startswith(input.path, "/")
	matches(rule.path.deny, loose)
}

# Parameters of the query and header fields, as pairs of a name and a value.

pair_matches(pattern, pair) if {
	regex.match(pattern.name, pair[0])
	regex.match(pattern.value, pair[1])
}

# What is denied by name is denied under every name that folds to it; only deny lists have a folded one.
pair_matches(pattern, pair) if {
	regex.match(pattern.folded, pair[2])
	regex.match(pattern.value, pair[1])
}

listed(patterns, pair) if {
	some pattern in patterns
	pair_matches(pattern, pair)
}

condition_denied(rule) if {
	some pair in input.parameters
	listed(rule.query.deny, pair)
}

condition_denied(rule) if {
	some pair in input.fields
	listed(rule.headers.deny, pair)
}

condition_fails(rule) if {
	some most in rule.query.max_length
	input.query_length > most
}

condition_fails(rule) if {
	some patterns in rule.query.allow
	some pair in input.parameters
	not listed(patterns, pair)
}

condition_fails(rule) if {
	some pattern in rule.headers.require
	not satisfied(pattern)
}

named_fields(pattern) := [pair | some pair in input.fields; regex.match(pattern.name, pair[0])]

satisfied(pattern) if {
	count(named_fields(pattern)) > 0
	count([pair | some pair in named_fields(pattern); not pair_matches(pattern, pair)]) == 0
}

# The first level after the destination that denies it, or does not allow it.

denied_level(rule) := 2 if method_listed(rule.method.deny)

else := 3 if path_denied(rule)

else := 4 if condition_denied(rule)

else := 0

failing_level(rule) := 2 if not method_listed(rule.method.allow)

else := 3 if not matches(rule.path.allow, input.path)

else := 4 if condition_fails(rule)

else := 0

judge(rule) := judgement(rule, binary(rule))

judgement(rule, program) := {"kind": "denied", "level": 0, "program": program} if program == "denied"

else := outside(rule) if {
	program == "not allowed"
	not binds(rule)
}

else := inside(rule, program, denied_level(rule), failing_level(rule))

# Who is none of the rule's programs.
outside(rule) := {"kind": "silent"} if not rule.grants

else := {"kind": "fails", "level": 0}

inside(rule, program, forbids, lacks) := {"kind": "trial", "level": forbids} if {
	forbids > 0
	rule.trial
	program == "allowed"
}

else := {"kind": "fails", "level": 0} if {
	forbids > 0
	rule.trial
}

else := {"kind": "denied", "level": forbids, "program": granted(rule, program)} if forbids > 0

else := {"kind": "silent"} if not rule.grants

else := {"kind": "fails", "level": 0} if program != "allowed"

else := {"kind": "allowed"} if lacks == 0

else := {"kind": "trial", "level": lacks} if rule.trial

else := {"kind": "fails", "level": lacks}

granted(rule, program) := program if rule.grants

else := "not allowed"

# ---- what follows from it

# A number, not a condition, so that nothing hangs on how an engine treats a function without a value.
out_of_force(rule) := not_begun(rule) + over(rule)

not_begun(rule) := count([first | some first in rule.from; first > input.now])

over(rule) := count([last | some last in rule.until; last <= input.now])

in_force(ids) := {id | some id in ids; out_of_force(data.rules[id]) == 0}

judged := {id: judge(data.rules[id]) | some id in in_force(allowing)}

# Rules whose deny lists name the destination.
refused_here := [{"id": id, "program": granted(rule, binary(rule))} |
	some id in in_force(denying)
	rule := data.rules[id]
	binds(rule)
]

of_kind(kind) := [[said.level, id] | some id, said in judged; said.kind == kind]

allowed := [id | some id, said in judged; said.kind == "allowed"]

destination_denied := [[1, here.id] | some here in refused_here]

denied := array.concat(of_kind("denied"), destination_denied)

failed := of_kind("fails")

on_trial := [[id, said.level] | some id, said in judged; said.kind == "trial"]

failed_later := [failure | some failure in failed; failure[0] > 0]

program_allowed := [id | some id, said in judged; said.program == "allowed"]

program_allowed_here := [here.id | some here in refused_here; here.program == "allowed"]

programs_passed := array.concat(
	array.concat(array.concat(allowed, on_trial), failed_later),
	array.concat(program_allowed, program_allowed_here),
)

furthest := max([failure[0] | some failure in failed])

nearest := min([failure[1] | some failure in failed; failure[0] == furthest])

canonical if {
	count(input.host) <= 253
	regex.match(data.canonical, input.host)
}

# Whether some rule, wherever it leads, allows the program.
named(owner) if matches(data.programs.by_stem[stem(owner)], owner)

named(owner) if matches(data.programs.paths, owner)

stem(owner) := trim_right(parts[count(parts) - 1], "0123456789.") if parts := split(owner, "/")

unnamed := [owner | some owner in input.owners; not named(owner)]

refusal(level, rule) := {"allow": false, "level": levels[level], "rule": rule}

on_probation(trial) := {"allow": true, "rule": name(trial[0]), "level": levels[trial[1]]}

name(id) := data.rules[id].name

decision := refusal(1, null) if not canonical

else := refusal(min(denied)[0], name(min(denied)[1])) if {
	count(denied) > 0
	decisive
}

else := {"allow": true, "rule": name(min(allowed))} if count(allowed) > 0

else := on_probation(min(on_trial)) if count(on_trial) > 0

else := refusal(furthest, name(nearest)) if count(failed) > 0

else := refusal(0, null) if count(input.owners) == 0

else := refusal(1, null) if count(unnamed) == 0

else := refusal(0, null)

# A deny list binds who some rule allows; otherwise the first level that fails is the binary.
decisive if count(programs_passed) > 0

decisive if min(denied)[0] == 0
