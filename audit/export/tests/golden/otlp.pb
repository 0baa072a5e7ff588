
˙£


service.name
	openshell◊£

openshell.audit0.1.0—	Ë´lÏ	INFO*
configuration allowed2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@d46be0e1748eec1c9b4a1b5fb7cc392f21f56cec3045dee4f8205f7dd2b232c62
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2
openshell.decision
allow2
openshell.policy.version2d
openshell.configuration.sha256B
@efefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefef2 
openshell.source

agent.yaml2 
openshell.operator.uid
10002'
openshell.configuration.image
base2p
*openshell.configuration.confinement_sha256B
@01010101010101010101010101010101010101010101010101010101010101012l
&openshell.configuration.network_sha256B
@02020202020202020202020202020202020202020202020202020202020202022*
openshell.configuration.version
0.1.02
openshell.monotonic_nsË2T
openshell.prevB
@0000000000000000000000000000000000000000000000000000000000000000YË´lÏbopenshell.configuration”	–´lÏ	INFO*
lifecycle started2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@433c07ca7a0017c625a726ae3a07d622200bb7e0992ed008951a85fa1fa939622
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2&
openshell.lifecycle.phase	
started2
openshell.monotonic_ns–2T
openshell.prevB
@d46be0e1748eec1c9b4a1b5fb7cc392f21f56cec3045dee4f8205f7dd2b232c6Y–´lÏbopenshell.lifecycle°	∏!´lÏWARN*A
?name-query denied SRV _ldap._tcp.example.com (no rule names it)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@35bae9787a119f3b829e5fe0661ad726b370b8df85c86bb5ed1e7a887fa148a32
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
proxy2
openshell.decision
deny2-
dns.question.name
_ldap._tcp.example.com2$
openshell.dns.question.type
SRV2,
openshell.process.unknown
socket closed2&
openshell.reason
no rule names it2
openshell.monotonic_ns∏2T
openshell.prevB
@433c07ca7a0017c625a726ae3a07d622200bb7e0992ed008951a85fa1fa93962Y∏!´lÏbopenshell.name-query¢	†%´lÏWARN*G
Enetwork-flow denied 2001:db8::1:5432 by /usr/bin/python3.11 (no rule)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@1ab69bc1703b16ec34afae7d3d5e5da673af1aacf9cf60d0c789e8c5f5bf3f7d2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
proxy2
openshell.decision
deny2 
openshell.level
destination2
openshell.rule
db2
openshell.policy.version2%
network.peer.address
2001:db8::12
server.port∏*20
process.executable.path
/usr/bin/python3.112^
openshell.process.sha256B
@abababababababababababababababababababababababababababababababab2,
openshell.process.script
/work/agent.py2
process.pid*2
user.id
10002>
openshell.process.parents!*

/usr/bin/bash


/sbin/init2/
openshell.process.others*

/usr/bin/bash2
openshell.reason	
no rule2
openshell.flow.id2
openshell.monotonic_ns†2T
openshell.prevB
@35bae9787a119f3b829e5fe0661ad726b370b8df85c86bb5ed1e7a887fa148a3Y†%´lÏbopenshell.network-flow£		à)´lÏ	INFO*R
Pnetwork-request allowed POST api.example.com:443/v1/items by /usr/bin/python3.112$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@708094be51f6dd464a08dd8d83db00e8458aafa1b87461d46e9a7076570f58df2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
proxy2
openshell.decision
allow2
openshell.level
path2
openshell.rule
api2
openshell.policy.version2#
server.address
api.example.com2
http.request.method
POST2
server.portª2
url.path
	/v1/items2+
openshell.query_keys*

page

token20
process.executable.path
/usr/bin/python3.112^
openshell.process.sha256B
@abababababababababababababababababababababababababababababababab2,
openshell.process.script
/work/agent.py2
process.pid*2
user.id
10002>
openshell.process.parents!*

/usr/bin/bash


/sbin/init2(
openshell.credentials*

	API_TOKEN2
openshell.request.id
r-12
openshell.flow.id2
openshell.latency_us"2
openshell.monotonic_nsà'2T
openshell.prevB
@1ab69bc1703b16ec34afae7d3d5e5da673af1aacf9cf60d0c789e8c5f5bf3f7dYà)´lÏbopenshell.network-request£	p-´lÏ	INFO*3
1network-outcome POST api.example.com:443/v1/items2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@aa6e803c4a722c65689a007f34a9723c8528a97773e09e72e53f602799465d122
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
proxy2#
server.address
api.example.com2
http.request.method
POST2
server.portª2
url.path
	/v1/items2
http.request.body.sizex2
http.response.body.sizeÄ 2+
openshell.query_keys*

page

token2 
http.response.status_code˜2
openshell.request.id
r-12
openshell.flow.id2
openshell.latency_us“˙2
openshell.monotonic_ns.2T
openshell.prevB
@708094be51f6dd464a08dd8d83db00e8458aafa1b87461d46e9a7076570f58dfYp-´lÏbopenshell.network-outcome“
	X1´lÏ	INFO*W
Uinference allowed POST inference.local:443/v1/chat/completions by /usr/bin/python3.112$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@acdc2e61e489ac71baf48462dcc794c9a86d4c2a2a3fe8d6166b61e99d00a13e2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
router2
openshell.decision
allow2
openshell.level
path2
openshell.rule
	inference2#
server.address
inference.local2
http.request.method
POST2
server.portª2"
url.path
/v1/chat/completions20
process.executable.path
/usr/bin/python3.112^
openshell.process.sha256B
@abababababababababababababababababababababababababababababababab2,
openshell.process.script
/work/agent.py2
process.pid*2
user.id
10002>
openshell.process.parents!*

/usr/bin/bash


/sbin/init2
openshell.request.id
r-22
openshell.flow.id28
openshell.inference.categories*
	
email=2

pan=12$
openshell.inference.route
local2
gen_ai.request.model
gpt2#
gen_ai.response.model

nemotron22
openshell.inference.server
models.example.com2,
openshell.inference.region
eu-central-12)
openshell.inference.left*
	
email=12
openshell.monotonic_nsÿ62T
openshell.prevB
@aa6e803c4a722c65689a007f34a9723c8528a97773e09e72e53f602799465d12YX1´lÏbopenshell.inference›	@5´lÏ	INFO*@
>inference-outcome POST inference.local:443/v1/chat/completions2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@0e239cbe89aea7aefdeb82dc4b9a391c6d9897c937ee95d6c9fbca820738d20e2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
router2#
server.address
inference.local2
http.request.method
POST2
server.portª2"
url.path
/v1/chat/completions2
http.request.body.sizeÑ2
http.response.body.size–2 
http.response.status_code»2
openshell.request.id
r-22
openshell.flow.id2
openshell.latency_usŸ◊72$
openshell.inference.route
local2
gen_ai.usage.input_tokensx2 
gen_ai.usage.output_tokens-22
openshell.inference.server
models.example.com2,
openshell.inference.region
eu-central-12
openshell.monotonic_ns¿>2T
openshell.prevB
@acdc2e61e489ac71baf48462dcc794c9a86d4c2a2a3fe8d6166b61e99d00a13eY@5´lÏbopenshell.inference-outcome˝	(9´lÏWARN*H
Fexecution denied /tmp/payload by /usr/bin/python3.11 (not on the list)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence	2T
openshell.hashB
@a4c74a1202fa10e71d72302ec7a06807131b69f6b2b4bc973e0e385fc24fd40f2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2
openshell.decision
deny2
openshell.rule
executables2
	file.path
/tmp/payload2[
openshell.file.sha256B
@cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd2
openshell.times20
process.executable.path
/usr/bin/python3.112^
openshell.process.sha256B
@abababababababababababababababababababababababababababababababab2,
openshell.process.script
/work/agent.py2
process.pid*2
user.id
10002>
openshell.process.parents!*

/usr/bin/bash


/sbin/init2%
openshell.reason
not on the list2
openshell.monotonic_ns®F2T
openshell.prevB
@0e239cbe89aea7aefdeb82dc4b9a391c6d9897c937ee95d6c9fbca820738d20eY(9´lÏbopenshell.execution»	=´lÏ	INFO*7
5execution allowed /usr/bin/git by /usr/bin/python3.112$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence
2T
openshell.hashB
@f516b0a678ad3eb7349ec777c2a0943ec5db4775f71a60137a55655941b00c082
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2
openshell.decision
allow2
	file.path
/usr/bin/git2
openshell.times20
process.executable.path
/usr/bin/python3.112^
openshell.process.sha256B
@abababababababababababababababababababababababababababababababab2,
openshell.process.script
/work/agent.py2
process.pid*2
user.id
10002>
openshell.process.parents!*

/usr/bin/bash


/sbin/init2
openshell.monotonic_nsêN2T
openshell.prevB
@a4c74a1202fa10e71d72302ec7a06807131b69f6b2b4bc973e0e385fc24fd40fY=´lÏbopenshell.executionƒ	¯@´lÏ
INFO2*
policy-change allowed2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@93fbf1d55f43c7b87e18bf4847993e177ad25ce546f52af444f382b9ca5b25a32
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2
openshell.decision
allow2
openshell.policy.version2"
openshell.policy.new_version2a
openshell.policy.new_sha256B
@cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd2"
openshell.policy.old_version2a
openshell.policy.old_sha256B
@abababababababababababababababababababababababababababababababab2
openshell.source
	team.yaml2 
openshell.operator.uid
10002
openshell.monotonic_ns¯U2T
openshell.prevB
@f516b0a678ad3eb7349ec777c2a0943ec5db4775f71a60137a55655941b00c08Y¯@´lÏbopenshell.policy-changeÈ	‡D´lÏWARN*"
 policy-change denied (no policy)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@72940b01d5a295de3c0d29b58afb404161ae4bba9b754cde56fedf708b49e7702
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2
openshell.decision
deny2
openshell.policy.version2
openshell.reason
	no policy2"
openshell.policy.old_version2a
openshell.policy.old_sha256B
@cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd2!
openshell.source
broken.yaml2 
openshell.operator.uid
10002
openshell.monotonic_ns‡]2T
openshell.prevB
@93fbf1d55f43c7b87e18bf4847993e177ad25ce546f52af444f382b9ca5b25a3Y‡D´lÏbopenshell.policy-changeî	»H´lÏ
INFO2*
credential-change allowed2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@0e28e9296b391af42d58cd039e24135278b151ce6bbc5f9605d03789930bcba82
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2
openshell.decision
allow27
openshell.credentials*

	API_TOKEN

DB_PASSWORD2
openshell.monotonic_ns»e2T
openshell.prevB
@72940b01d5a295de3c0d29b58afb404161ae4bba9b754cde56fedf708b49e770Y»H´lÏbopenshell.credential-change¡	∞L´lÏ	INFO*"
 inbound-connection allowed :80802$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@a708e08bb836ba57784eaf0cbeeac06a54a4e91550f70939f1ee30531d0d7ef12
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
proxy2
openshell.decision
allow2
openshell.rule
web2
server.portê?2
client.address
	192.0.2.72
client.portÄÄ2
openshell.monotonic_ns∞m2T
openshell.prevB
@0e28e9296b391af42d58cd039e24135278b151ce6bbc5f9605d03789930bcba8Y∞L´lÏbopenshell.inbound-connection·	òP´lÏWARN*E
Cinbound-request denied GET agent.example.com:8080/status (no token)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@bdf1df4d9492c188f92828e6647c66793015ddad13478c12964d02ed3c75dbac2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
proxy2
openshell.decision
deny2
openshell.level
token2%
server.address
agent.example.com2
http.request.method
GET2
server.portê?2
url.path	
/status2
client.address
2001:db8::72
client.portÄÄ2
openshell.reason

no token2
openshell.monotonic_nsòu2T
openshell.prevB
@a708e08bb836ba57784eaf0cbeeac06a54a4e91550f70939f1ee30531d0d7ef1YòP´lÏbopenshell.inbound-request’	ÄT´lÏ	INFO*
inbound-outcome :80802$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@0ae44dcada69bacfa6c3dc180ff608b87f30ce111bdd3d282318d9fd12c184e62
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
proxy2
server.portê?2
http.request.body.size
2
http.response.body.size2
client.address
	192.0.2.72
client.portÄÄ2
openshell.latency_usà'2
openshell.monotonic_nsÄ}2T
openshell.prevB
@bdf1df4d9492c188f92828e6647c66793015ddad13478c12964d02ed3c75dbacYÄT´lÏbopenshell.inbound-outcome‚	hX´lÏERROR*8
6detection denied repeated-denials (20 denials in 60 s)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@daf94b786e37057873176df8d8fd020d01c5584656032ecffbfd734cbe4f253e2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2
openshell.decision
deny2(
openshell.reason
20 denials in 60 s2.
openshell.detection.name
repeated-denials2,
openshell.detection.response

quarantine2,
openshell.detection.evidence*


3

42:
openshell.detection.references*

	T1071.004

ASI022
openshell.monotonic_nsËÑ2T
openshell.prevB
@0ae44dcada69bacfa6c3dc180ff608b87f30ce111bdd3d282318d9fd12c184e6YhX´lÏbopenshell.detectionÄ	P\´lÏERROR*/
-log-repair (17 bytes of an unfinished record)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@fc0af2b39eddd996d5df3d296e5a63ebf443560bb06d9edfec56ebaaea9989aa2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
audit26
openshell.reason"
 17 bytes of an unfinished record2
openshell.monotonic_ns–å2T
openshell.prevB
@daf94b786e37057873176df8d8fd020d01c5584656032ecffbfd734cbe4f253eYP\´lÏbopenshell.log-repairï	8`´lÏ	INFO*9
7log-retention (segments 1 to 3 were older than 90 days)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@a98e39390908db4c54730591473b3455b4bdd4b18ace4d67b8392deec2b294612
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2=
openshell.reason)
'segments 1 to 3 were older than 90 days2
openshell.monotonic_ns∏î2T
openshell.prevB
@fc0af2b39eddd996d5df3d296e5a63ebf443560bb06d9edfec56ebaaea9989aaY8`´lÏbopenshell.log-retentionÛ	 d´lÏWARN*Ò
Ónetwork-request denied GE|T evil.example.com\u{d}\u{a}<14>1 - forged:80/x\u{1b}]0;owned\u{7}?y=\u{2028}{"a":1}\u{202e}] by /tmp/a|b=c\d"]\u{9}e\u{a} (quote " back \ slash | pipe = equals ] bracket\u{d}\u{a}CEF:0|forged|line\u{9}devTime=1)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@592445c90e77fd119e270f165720af223277f9a4bb279228642b86ed22868d8c2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
proxy2
openshell.decision
deny2
openshell.rule
r=1|2]24
server.address"
 evil.example.com
<14>1 - forged2
http.request.method
GE|T2
server.portP2+
url.path
/x]0;owned?y=‚Ä®{"a":1}‚ÄÆ]2(
openshell.query_keys*

a,b

c"d2.
process.executable.path
/tmp/a|b=c\d"]	e
20
openshell.process.script
=cmd|' /C calc'!A02
process.pid	2
user.id
10002a
openshell.reasonM
Kquote " back \ slash | pipe = equals ] bracket
CEF:0|forged|line	devTime=12
openshell.monotonic_ns†ú2T
openshell.prevB
@a98e39390908db4c54730591473b3455b4bdd4b18ace4d67b8392deec2b29461Y d´lÏbopenshell.network-request®	h´lÏ	INFO*
lifecycle agent-exited2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@96ff83e682dfd65ea599c66f4e31ee71b3cb257b39925c8e5ed82911609f820e2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2+
openshell.lifecycle.phase
agent-exited2 
openshell.lifecycle.code
-92&
openshell.lifecycle.detail
killed2
openshell.monotonic_nsà§2T
openshell.prevB
@592445c90e77fd119e270f165720af223277f9a4bb279228642b86ed22868d8cYh´lÏbopenshell.lifecycleá	k´lÏWARN*
lifecycle failed2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@d7f346518d558d87159d52efc76c08ed86ada838cfe6197ca0e9c71f05bd5d492
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2%
openshell.lifecycle.phase
failed23
openshell.lifecycle.detail
the machine stopped2
openshell.monotonic_ns´2T
openshell.prevB
@96ff83e682dfd65ea599c66f4e31ee71b3cb257b39925c8e5ed82911609f820eYk´lÏbopenshell.lifecycle∫	ÿo´lÏWARN*n
lfile-access denied read /etc/shadow by /usr/bin/cat (neither filesystem nor the file's permissions allow it)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@71f711e5257545a7130c6568698716184ea07d43f1238381c651a48346d841252
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2
openshell.decision
deny2
openshell.level

filesystem2
http.request.method
read2
	file.path
/etc/shadow2
openshell.times2)
process.executable.path
/usr/bin/cat2
process.pid”2
user.id
10002L
openshell.reason8
6neither filesystem nor the file's permissions allow it2
openshell.monotonic_nsÿ≥2T
openshell.prevB
@d7f346518d558d87159d52efc76c08ed86ada838cfe6197ca0e9c71f05bd5d49Yÿo´lÏbopenshell.file-accessò	¿s´lÏ	INFO*"
 file-access allowed write /tmp/*2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@e370ac3739282dfb992d907f18c3f7f12f785bbbafb8033a55b895d1938cb4f62
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2
openshell.decision
allow2
openshell.level

filesystem2
http.request.method
write2
	file.path
/tmp/*2
openshell.timesT2K
openshell.process.unknown.
,process 212 was gone before it was looked at2
openshell.monotonic_ns¿ª2T
openshell.prevB
@71f711e5257545a7130c6568698716184ea07d43f1238381c651a48346d84125Y¿s´lÏbopenshell.file-access‹	®w´lÏ	INFO*5
3file-access allowed (other files, too many to list)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@b8b909ca33e1fb25db9b5fc7060740009fde71e36754c29869e4e8eea884f9362
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2
openshell.decision
allow2
openshell.level

filesystem2
openshell.times	23
openshell.reason
other files, too many to list2
openshell.monotonic_ns®√2T
openshell.prevB
@e370ac3739282dfb992d907f18c3f7f12f785bbbafb8033a55b895d1938cb4f6Y®w´lÏbopenshell.file-access€	ê{´lÏWARN*H
Fsystem-call denied mount by /tmp/x (process.seccomp does not allow it)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@faaa2eff2915c177468052c9e2fb218d018dedde56229ebacddb4efd3d59eefe2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client	
manager2
openshell.decision
deny2
openshell.level	
seccomp2
http.request.method
mount2
openshell.times2#
process.executable.path
/tmp/x2
process.pid¨2
user.id
100027
openshell.reason#
!process.seccomp does not allow it2
openshell.monotonic_nsêÀ2T
openshell.prevB
@b8b909ca33e1fb25db9b5fc7060740009fde71e36754c29869e4e8eea884f936Yê{´lÏbopenshell.system-callÒ	x¿€≈oÏWARN*h
fclock-change (the host's clock was set forward by 3600.000 s: it would be 2026-11-29T05:20:47.000027Z)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@664acf7021e5a242d2951f2a6c0b22d0295281743003bdde98586b293d9aec192
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
audit2m
openshell.reasonY
Wthe host's clock was set forward by 3600.000 s: it would be 2026-11-29T05:20:47.000027Z2
openshell.monotonic_ns¯“2T
openshell.prevB
@faaa2eff2915c177468052c9e2fb218d018dedde56229ebacddb4efd3d59eefeYx¿€≈oÏbopenshell.clock-change