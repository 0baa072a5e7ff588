
∆Æ


service.name
	openshell£Æ
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
@1ab69bc1703b16ec34afae7d3d5e5da673af1aacf9cf60d0c789e8c5f5bf3f7dYà)´lÏbopenshell.network-request·	p-´lÏ	INFO*3
1network-outcome POST api.example.com:443/v1/items2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@0a7f4cd386e5fbe19d555be73446e592dd56e704153bf7115e8ed165ea320a8d2
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
http.response.body.sizeÄ 2[
openshell.sent_sha256B
@12121212121212121212121212121212121212121212121212121212121212122_
openshell.received_sha256B
@34343434343434343434343434343434343434343434343434343434343434342+
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
@5170092ee4ca354f66faade0ddf2cda94de2b3f0fcd0bede3dd3cfbdf165f3e62
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
@0a7f4cd386e5fbe19d555be73446e592dd56e704153bf7115e8ed165ea320a8dYX1´lÏbopenshell.inference›	@5´lÏ	INFO*@
>inference-outcome POST inference.local:443/v1/chat/completions2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@8977fd86c3d0f928c98dc1338b36233b7b9dc74e64d09d9d5ff582d1fbc493d72
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
@5170092ee4ca354f66faade0ddf2cda94de2b3f0fcd0bede3dd3cfbdf165f3e6Y@5´lÏbopenshell.inference-outcome˝	(9´lÏWARN*H
Fexecution denied /tmp/payload by /usr/bin/python3.11 (not on the list)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence	2T
openshell.hashB
@6552acb23672eea4c02daaf20efcce6183ee9cc985f702a0f07aa83620943a622
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
@8977fd86c3d0f928c98dc1338b36233b7b9dc74e64d09d9d5ff582d1fbc493d7Y(9´lÏbopenshell.execution»	=´lÏ	INFO*7
5execution allowed /usr/bin/git by /usr/bin/python3.112$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence
2T
openshell.hashB
@95c5cd8caf626f3aa5803bee7c7b380592c14506bb5fdcddfb370a42319af7a52
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
@6552acb23672eea4c02daaf20efcce6183ee9cc985f702a0f07aa83620943a62Y=´lÏbopenshell.executionƒ	¯@´lÏ
INFO2*
policy-change allowed2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@0da217b58796146c00213a630826f81acfbf0a8ac7b291231f42c08e6b982b192
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
@95c5cd8caf626f3aa5803bee7c7b380592c14506bb5fdcddfb370a42319af7a5Y¯@´lÏbopenshell.policy-changeÈ	‡D´lÏWARN*"
 policy-change denied (no policy)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@166d08a7072c6387b3c572b64a0117e18574b60bac641f18a047521c91871c8c2
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
@0da217b58796146c00213a630826f81acfbf0a8ac7b291231f42c08e6b982b19Y‡D´lÏbopenshell.policy-changeî	»H´lÏ
INFO2*
credential-change allowed2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@26f9d97b2484ca28e82a0d8eda857ce9d410e0f10586c0862f547c5e1e5a16d32
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
@166d08a7072c6387b3c572b64a0117e18574b60bac641f18a047521c91871c8cY»H´lÏbopenshell.credential-change¡	∞L´lÏ	INFO*"
 inbound-connection allowed :80802$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@57ae87a6808b0482012bc906a2ed013df48288996ce93f116ec1a1dadb0599af2
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
@26f9d97b2484ca28e82a0d8eda857ce9d410e0f10586c0862f547c5e1e5a16d3Y∞L´lÏbopenshell.inbound-connection·	òP´lÏWARN*E
Cinbound-request denied GET agent.example.com:8080/status (no token)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@3a28f05957d25ebe4ecdb33d39b8cee7822f2a35fef42bb6ea2bdf10f92ae7532
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
@57ae87a6808b0482012bc906a2ed013df48288996ce93f116ec1a1dadb0599afYòP´lÏbopenshell.inbound-request’	ÄT´lÏ	INFO*
inbound-outcome :80802$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@3ea562ad97471edbdc952d00b2a5f1f0c3fcca51683867f6972a433e7f285cb82
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
@3a28f05957d25ebe4ecdb33d39b8cee7822f2a35fef42bb6ea2bdf10f92ae753YÄT´lÏbopenshell.inbound-outcome‚	hX´lÏERROR*8
6detection denied repeated-denials (20 denials in 60 s)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@3cded05e8656cd130f9ae93048c616b20ef8d0792bdb973bdc8c35fc94d212f12
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
@3ea562ad97471edbdc952d00b2a5f1f0c3fcca51683867f6972a433e7f285cb8YhX´lÏbopenshell.detectionÄ	P\´lÏERROR*/
-log-repair (17 bytes of an unfinished record)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@57981abb9b66f96ee7174bb76ce8fad5f141c870dbe89893061fc6de8e3925852
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
@3cded05e8656cd130f9ae93048c616b20ef8d0792bdb973bdc8c35fc94d212f1YP\´lÏbopenshell.log-repairï	8`´lÏ	INFO*9
7log-retention (segments 1 to 3 were older than 90 days)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@89c373829a5b0857dec929db4fea2864d26c8fe17aa988680f6041431a55cbdf2
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
@57981abb9b66f96ee7174bb76ce8fad5f141c870dbe89893061fc6de8e392585Y8`´lÏbopenshell.log-retentionî		 d´lÏWARN*Ò
Ónetwork-request denied GE|T evil.example.com\u{d}\u{a}<14>1 - forged:80/x\u{1b}]0;owned\u{7}?y=\u{2028}{"a":1}\u{202e}] by /tmp/a|b=c\d"]\u{9}e\u{a} (quote " back \ slash | pipe = equals ] bracket\u{d}\u{a}CEF:0|forged|line\u{9}devTime=1)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@7775b09b7a691688b8027fe2b87d79cc2ec18a50ee8877cb37fba99fce4c2e4c2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
proxy2
openshell.decision
deny2
openshell.rule
r=1|2]2
openshell.rule_denies
true24
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
@89c373829a5b0857dec929db4fea2864d26c8fe17aa988680f6041431a55cbdfY d´lÏbopenshell.network-request®	h´lÏ	INFO*
lifecycle agent-exited2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@937d8097d14519dada75f91dfe6ad7c760da372642990c8a4153d15a2be40e0a2
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
@7775b09b7a691688b8027fe2b87d79cc2ec18a50ee8877cb37fba99fce4c2e4cYh´lÏbopenshell.lifecycleá	k´lÏWARN*
lifecycle failed2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@4c58f7075020814a8887bb7b47cee87ff64472704f4a5f6f5d498242c672971a2
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
@937d8097d14519dada75f91dfe6ad7c760da372642990c8a4153d15a2be40e0aYk´lÏbopenshell.lifecycle∫	ÿo´lÏWARN*n
lfile-access denied read /etc/shadow by /usr/bin/cat (neither filesystem nor the file's permissions allow it)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@2b3f840b064b2aacad35bbf1ba71508e5a755f0c58e443b9a88a5e97d38c960a2
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
@4c58f7075020814a8887bb7b47cee87ff64472704f4a5f6f5d498242c672971aYÿo´lÏbopenshell.file-accessò	¿s´lÏ	INFO*"
 file-access allowed write /tmp/*2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@895e7067b5ae28f4ba0869bc7e2727e5527319111b97a7f3bcaeb569da6276192
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
@2b3f840b064b2aacad35bbf1ba71508e5a755f0c58e443b9a88a5e97d38c960aY¿s´lÏbopenshell.file-access‹	®w´lÏ	INFO*5
3file-access allowed (other files, too many to list)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@e5090728068cfe55cb6712653a826600b5de7f4dc22958aa1d945cc1fc1dac782
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
@895e7067b5ae28f4ba0869bc7e2727e5527319111b97a7f3bcaeb569da627619Y®w´lÏbopenshell.file-access€	ê{´lÏWARN*H
Fsystem-call denied mount by /tmp/x (process.seccomp does not allow it)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@c00065db12d1f78d0f791004120d95a71f9620d85eb901b5d8cf3aef7fc877bb2
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
@e5090728068cfe55cb6712653a826600b5de7f4dc22958aa1d945cc1fc1dac78Yê{´lÏbopenshell.system-call…	x´lÏ	INFO*:
8name-query allowed AAAA api.example.com by /usr/bin/curl2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@11b5fdc11357795a9a697067389c40d6c66d27f988465bdb56b933224106bfcb2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
proxy2
openshell.decision
allow2
openshell.policy.version2&
dns.question.name
api.example.com2%
openshell.dns.question.type
AAAA2
openshell.times2*
process.executable.path
/usr/bin/curl2
process.pid*2
user.id
10002
openshell.monotonic_ns¯“2T
openshell.prevB
@c00065db12d1f78d0f791004120d95a71f9620d85eb901b5d8cf3aef7fc877bbYx´lÏbopenshell.name-queryÒ	`#¿€≈oÏWARN*h
fclock-change (the host's clock was set forward by 3600.000 s: it would be 2026-11-29T05:20:47.000028Z)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@7b008aa0fc8b8cf7848f01b0b6a5fec22de862bb0af4b0d9b93725e3ebdd79d12
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
audit2m
openshell.reasonY
Wthe host's clock was set forward by 3600.000 s: it would be 2026-11-29T05:20:47.000028Z2
openshell.monotonic_ns‡⁄2T
openshell.prevB
@11b5fdc11357795a9a697067389c40d6c66d27f988465bdb56b933224106bfcbY`#¿€≈oÏbopenshell.clock-changeû	`#¿€≈oÏ	INFO*	
log-end2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@55e8b45c2f59b7e3ceec1501ae9f80b3e1cd44226a1c8f3b3e39a685318922c32
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
audit2
openshell.monotonic_ns·⁄2T
openshell.prevB
@7b008aa0fc8b8cf7848f01b0b6a5fec22de862bb0af4b0d9b93725e3ebdd79d1Y`#¿€≈oÏbopenshell.log-end