# The gate before a rollout, as Patchline ships it.
#
# `input` holds only evidence whose signature was verified before. Every rule is "deny unless shown": what is undefined
# is not shown, and taking evidence away never makes the answer better. The answers:
#
#   every evidence rule is met | low risk | another person approved as each needed role | answer
#   ---------------------------+----------+---------------------------------------------+------------------------
#   no                         | -        | -                                           | deny
#   yes                        | yes      | -                                           | allow
#   yes                        | no       | yes                                         | allow
#   yes                        | no       | no                                          | needs those who have not
#   yes                        | no       | one, in an emergency                        | allow
#
# Evidence rules: finding, generated, provenance, sbom, and every check. A check that warned, a required one that had
# nothing to check with, and a build that does not repeat bit for bit, do not deny: a person must look at them. So do all changes but
# small moves of dependencies, whatever the tier.
#
# A gate defines `allow`, `deny`, `needs` and `reasons`; the patch moves only when `deny` is false, `needs` is empty
# and `allow` is true.
package patchline.gate

import rego.v1

# --- What an organisation may want to change -------------------------------------------------------------------------

# Fixers whose changes are known to be what they say.
fixers := {"actions", "agent", "autofix", "bundler", "cargo", "composer", "go", "gradle", "maven", "npm", "person", "pip", "pnpm", "poetry", "uv", "yarn"}

# Checks without which nothing is verified.
required_checks := ["before-after", "suite", "re-scan", "diff"]

# Checks of what many patches do not have or a service may want: to have skipped one of them is no risk.
optional_checks := {"hunks", "diff-coverage", "performance", "migration-lint", "api-compatibility", "rollback-rehearsal"}

# Who must approve what is not low risk: a different person for each role.
required_roles := {"owner"}

# Roles in which one person may say, in an emergency, that a proven patch can't wait: for the others who would have to
# approve, for a freeze, for a window. Empty: there is no such way. A review by somebody else is owed afterwards.
emergency_roles := {"owner"}

# Files that a change of low risk may touch, by name.
low_risk_files := {
	"Cargo.lock", "Cargo.toml", "Gemfile.lock", "composer.lock", "gems.locked", "go.mod", "go.sum", "gradle.lockfile",
	"npm-shrinkwrap.json", "package-lock.json", "pnpm-lock.yaml", "poetry.lock", "requirements.txt", "uv.lock", "yarn.lock",
}

# Packages that a change of low risk may move.
low_risk_moves := 5

builders := "https://patchline.dev/builder/"

# --- The answer ------------------------------------------------------------------------------------------------------

default allow := false

default deny := true

deny := false if shown

allow if {
	shown
	low_risk
}

allow if {
	shown
	approved
}

allow if {
	shown
	count(emergencies) > 0
}

needs contains role if {
	waits
	some role in required_roles
	count(approvers[role]) == 0
}

# Each role has somebody, but one person can't stand for two.
needs contains role if {
	waits
	every required in required_roles { count(approvers[required]) > 0 }
	some role in required_roles
}

waits if {
	shown
	not low_risk
	not approved
	count(emergencies) == 0
}

# --- What is shown ---------------------------------------------------------------------------------------------------

shown if {
	count(evidence_reasons) == 4
	every reason in evidence_reasons { reason.holds == true }
	every name in required_checks { name in {check.check | some check in input.checks} }
	count(check_reasons) == count(input.checks)
	every reason in check_reasons { reason.enough == true }
}

artifact := input.patch.artifact

commit := concat(":", ["gitCommit", input.patch.commit])

base := concat(":", ["gitCommit", input.patch.base])

finding := [item.digest |
	some item in input.evidence
	item.role == "detector"
	item.predicate_type == "https://in-toto.io/attestation/vulns/v0.2"
	base in item.subjects
]

generated := [item.digest |
	some item in input.evidence
	item.role == "generator"
	item.predicate_type == "https://patchline.dev/attestation/generation/v0.1"
	commit in item.subjects
	item.predicate.fixer == input.patch.fixer
	# Several fixers that built one upon the other are joined by a plus sign. Of an agent its own name follows.
	every name in split(item.predicate.fixer, "+") { split(name, ":")[0] in fixers }
]

provenances := [item |
	some item in input.evidence
	item.role == "builder"
	item.predicate_type == "https://slsa.dev/provenance/v1"
	artifact in item.subjects
	is_string(item.predicate.runDetails.builder.id)
	startswith(item.predicate.runDetails.builder.id, builders)
	is_array(item.predicate.buildDefinition.resolvedDependencies)
	some material in item.predicate.buildDefinition.resolvedDependencies
	material.digest.gitCommit == input.patch.commit
]

sbom := [item.digest |
	some item in input.evidence
	item.role == "builder"
	item.predicate_type == "https://cyclonedx.org/bom"
	artifact in item.subjects
]

# A signed statement of a tester about this very patch, with one of these results.
tested(check, results) := [item.digest |
	some item in input.evidence
	item.digest == check.evidence
	item.role == "tester"
	item.predicate.patchline_check == check.check
	item.predicate_type == "https://in-toto.io/attestation/test-result/v0.1"
	some subject in item.subjects
	subject in {artifact, commit}
	is_string(item.predicate.result)
	upper(item.predicate.result) in results
]

# --- Low risk --------------------------------------------------------------------------------------------------------

low_risk if {
	input.patch.kind == "dependency"
	is_null(input.patch.forward_only)
	count(input.patch.files) > 0
	every file in input.patch.files { name_of(file) in low_risk_files }
	count(input.patch.moves) > 0
	count(input.patch.moves) <= low_risk_moves
	every move in input.patch.moves { is_small(move) }
	every check in input.checks { is_fine(check) }
	count(identical) > 0
}

is_fine(check) if check.result == "passed"

is_fine(check) if {
	check.result == "skipped"
	check.check in optional_checks
}

# The signed provenance and the record agree that two builds gave the same bytes.
identical := [item.digest |
	input.patch.reproducible == "identical"
	some item in provenances
	item.predicate.patchline_rebuilt == "identical"
]

name_of(file) := parts[count(parts) - 1] if parts := split(file, "/")

# Upwards, to a release, inside the range that semantic versioning calls compatible.
is_small(move) if {
	is_release(move.from)
	is_release(move.to)
	semver.compare(move.to, move.from) == 1
	is_same_range(split(move.from, "."), split(move.to, "."))
}

is_release(version) if {
	is_string(version)
	semver.is_valid(version)
	regex.match(`^[0-9]+\.[0-9]+\.[0-9]+(\+.*)?$`, version)
}

is_same_range(from, to) if {
	from[0] == to[0]
	from[0] != "0"
}

# Below 1.0 the second number is the one that breaks; below 0.1 each release may.
is_same_range(from, to) if {
	from[0] == "0"
	to[0] == "0"
	from[1] == to[1]
	from[1] != "0"
}

# --- Approvals -------------------------------------------------------------------------------------------------------

# People who approved exactly what is shown now, and are neither a machine nor the author.
approvers[role] := people if {
	some role in required_roles
	people := {person(approval.by) |
		some approval in input.approvals
		approval.role == role
		approval.dossier == input.dossier
		not_author(approval.by)
		not trim_space(approval.by) in {"", "patchline"}
	}
}

# People who said over exactly what is shown now that it can't wait, and why. Nobody says so of their own patch.
emergencies := {person(approval.by) |
	some approval in input.approvals
	approval.role in emergency_roles
	approval.dossier == input.dossier
	is_string(approval.emergency)
	trim_space(approval.emergency) != ""
	not_author(approval.by)
	not trim_space(approval.by) in {"", "patchline"}
}

# Somebody for each role, and as many people as roles. (Two roles are told apart exactly by this; for three, state
# every pair as well.)
approved if {
	count(required_roles) > 0
	every role in required_roles { count(approvers[role]) > 0 }
	count(union({people | some people in approvers})) >= count(required_roles)
}

not_author(name) if {
	person(name) != person(input.patch.author)
	lower(trim_space(name)) != lower(trim_space(input.patch.author))
}

# One address is one person.
person(name) := lower(trim_space(found[0][1])) if {
	found := regex.find_all_string_submatch_n(`<([^>]*)>`, name, 1)
	count(found) == 1
} else := lower(trim_space(name))

# --- Reasons: one plain sentence each --------------------------------------------------------------------------------

reasons := array.concat(array.concat(evidence_reasons, all_check_reasons), array.concat(risk_reasons, emergency_reasons))

evidence_reasons := [
	reason(
		"finding", finding,
		sprintf("A detector signed what it found at the base commit %s.", [short(input.patch.base)]),
		sprintf("No signed statement of a detector about the base commit %s is there.", [short(input.patch.base)]),
	),
	reason(
		"generated", generated,
		sprintf("The fixer `%s` is known and signed that it made commit %s.", [input.patch.fixer, short(input.patch.commit)]),
		sprintf("No signed statement of a known fixer says that `%s` made commit %s.", [input.patch.fixer, short(input.patch.commit)]),
	),
	reason(
		"provenance", [item.digest | some item in provenances],
		sprintf("A builder signed that it built the artifact from commit %s.", [short(input.patch.commit)]),
		sprintf("No signed provenance says that the artifact was built from commit %s.", [short(input.patch.commit)]),
	),
	reason(
		"sbom", sbom,
		"A builder signed what the artifact is made of.",
		"No signed list of what the artifact is made of (SBOM) is there.",
	),
]

reason(rule, digests, yes, _) := {"rule": rule, "holds": true, "text": yes, "evidence": digests} if count(digests) > 0

reason(rule, digests, _, no) := {"rule": rule, "holds": false, "text": no, "evidence": digests} if count(digests) == 0

# A check is enough for a person to look at when a tester signed it and it did not fail.
check_reasons := [checked(check) | some check in input.checks]

checked(check) := answer if {
	check.result == "passed"
	digests := tested(check, {"PASSED"})
	count(digests) > 0
	answer := {
		"rule": check.check, "holds": true, "enough": true, "evidence": digests,
		"text": sprintf("The check `%s` passed: %s.", [check.check, without_stop(check.summary)]),
	}
} else := answer if {
	check.result == "warned"
	digests := tested(check, {"PASSED", "WARNED"})
	count(digests) > 0
	answer := {
		"rule": check.check, "holds": false, "enough": true, "evidence": digests,
		"text": sprintf("The check `%s` passed with a warning: %s.", [check.check, without_stop(check.summary)]),
	}
} else := answer if {
	check.result == "skipped"
	digests := tested(check, {"PASSED", "WARNED", "SKIPPED"})
	count(digests) > 0
	answer := {
		"rule": check.check, "holds": false, "enough": true, "evidence": digests,
		"text": sprintf("The check `%s` was skipped: %s.", [check.check, without_stop(check.summary)]),
	}
} else := answer if {
	check.result == "failed"
	answer := {
		"rule": check.check, "holds": false, "enough": false, "evidence": [],
		"text": sprintf("The check `%s` failed: %s.", [check.check, without_stop(check.summary)]),
	}
} else := {
	"rule": check.check, "holds": false, "enough": false, "evidence": [],
	"text": sprintf("No signed statement of a tester about this patch says that the check `%s` %s.", [check.check, check.result]),
}

all_check_reasons := array.concat(
	[strip(entry) | some entry in check_reasons],
	[missing |
		some name in required_checks
		not name in {check.check | some check in input.checks}
		missing := {
			"rule": name, "holds": false, "evidence": [],
			"text": sprintf("The required check `%s` was not made.", [name]),
		}
	],
)

strip(entry) := object.remove(entry, ["enough"])

without_stop(text) := trim_right(substring(text, 0, 300), ". ")

short(text) := substring(text, 0, 10)

# What is asked only once the evidence is complete.
risk_reasons := [entry | shown; some entry in [repeated, risk, consent]]

# What lets a patch pass a freeze is this reason, and nothing else.
emergency_reasons := [entry |
	shown
	some approval in input.approvals
	is_string(approval.emergency)
	entry := urgent
]

urgent := {
	"rule": "emergency", "holds": true, "evidence": [],
	"text": sprintf("It passes in an emergency, on the word of %s; a review is owed afterwards.", [concat(" and ", emergencies)]),
} if {
	count(emergencies) > 0
} else := {
	"rule": "emergency", "holds": false, "evidence": [],
	"text": sprintf("In an emergency another person than the author must say so, over exactly this dossier, as one of: %s.", [concat(", ", emergency_roles)]),
}

repeated := {
	"rule": "reproducible", "holds": true, "evidence": identical,
	"text": "Two builds in two folders gave the same bytes.",
} if {
	count(identical) > 0
} else := {
	"rule": "reproducible", "holds": false, "evidence": [],
	"text": "No signed provenance says that two builds gave the same bytes, so a person must look.",
}

risk := {
	"rule": "low-risk", "holds": true, "evidence": [],
	"text": "Only lockfiles and manifests change, few packages move a small way up, and every check passed.",
} if {
	low_risk
} else := {
	"rule": "low-risk", "holds": false, "evidence": [],
	"text": sprintf("A person must look: %s.", [concat("; ", risks)]),
}

risks := sort([text | some text in risky])

risky contains sprintf("it can't be taken back without loss: %s", [input.patch.forward_only]) if is_string(input.patch.forward_only)

risky contains sprintf("it is a change of kind `%s`", [input.patch.kind]) if input.patch.kind != "dependency"

risky contains sprintf("it changes `%s`", [substring(file, 0, 120)]) if {
	some index, file in input.patch.files
	index < 5
	not name_of(file) in low_risk_files
}

risky contains "it moves no package that is known" if count(input.patch.moves) == 0

risky contains "it changes no file that is known" if count(input.patch.files) == 0

risky contains sprintf("%d packages move, more than %d", [count(input.patch.moves), low_risk_moves]) if {
	count(input.patch.moves) > low_risk_moves
}

risky contains sprintf("%s moves from %s to %s, not a small way up", [move.package, said(move.from), said(move.to)]) if {
	some index, move in input.patch.moves
	index < 5
	not is_small(move)
}

risky contains sprintf("the check `%s` %s", [check.check, check.result]) if {
	some check in input.checks
	not is_fine(check)
}

risky contains "the build does not repeat bit for bit" if count(identical) == 0

said(version) := "nothing" if is_null(version)

said(version) := version if is_string(version)

# Nobody needs to be asked about what is low risk.
consent := {
	"rule": "approval", "holds": true, "evidence": [],
	"text": sprintf("Approved over exactly this dossier by %s.", [people_names]),
} if {
	approved
} else := {
	"rule": "approval", "holds": true, "evidence": [],
	"text": "No approval is needed.",
} if {
	low_risk
} else := {
	"rule": "approval", "holds": true, "evidence": [],
	"text": "One person's word stands for all in an emergency.",
} if {
	count(emergencies) > 0
} else := {
	"rule": "approval", "holds": false, "evidence": [],
	"text": sprintf("No approval over exactly this dossier, by another person than the author, is there from each of: %s.", [role_names]),
}

role_names := concat(", ", sort([role | some role in required_roles]))

people_names := concat(" and ", sort([who | some people in approvers; some who in people]))
