package hours
import rego.v1

# Between 08:00 and 18:00 UTC.
default allow := false

hour := floor((input.now % 86400) / 3600)

allow if {
	hour >= 8
	hour < 18
}

deny contains "no uploads" if input.method == "PUT"

deny contains "no secrets in the query" if {
	some name, _ in input.query
	contains(lower(name), "token")
}

deny contains "no Greek names" if {
	some name, _ in input.query
	regex.match(`^\p{Greek}+$`, name)
}
