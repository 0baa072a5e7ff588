
ïù


service.name
	openshellÚú
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
@708094be51f6dd464a08dd8d83db00e8458aafa1b87461d46e9a7076570f58dfYp-´lÏbopenshell.network-outcome≈		X1´lÏ	INFO*W
Uinference allowed POST inference.local:443/v1/chat/completions by /usr/bin/python3.112$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@18c1c0a1e0f3b3eb314d1d2ebd643866e459e68b49d7ad49ca4f5dc5b70917882
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

nemotron2
openshell.monotonic_nsÿ62T
openshell.prevB
@aa6e803c4a722c65689a007f34a9723c8528a97773e09e72e53f602799465d12YX1´lÏbopenshell.inference˚	@5´lÏ	INFO*@
>inference-outcome POST inference.local:443/v1/chat/completions2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@5b00e6a0a473d0c9cb1d2de53a2202e9d437416dd82e0e3217961d02c4da33b12
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
gen_ai.usage.output_tokens-2
openshell.monotonic_ns¿>2T
openshell.prevB
@18c1c0a1e0f3b3eb314d1d2ebd643866e459e68b49d7ad49ca4f5dc5b7091788Y@5´lÏbopenshell.inference-outcome˝	(9´lÏWARN*H
Fexecution denied /tmp/payload by /usr/bin/python3.11 (not on the list)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence	2T
openshell.hashB
@628e4b885a9366342c0da2dfd70f0bf805cdd53f16a37e818c5020df83b79ec02
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
@5b00e6a0a473d0c9cb1d2de53a2202e9d437416dd82e0e3217961d02c4da33b1Y(9´lÏbopenshell.execution»	=´lÏ	INFO*7
5execution allowed /usr/bin/git by /usr/bin/python3.112$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence
2T
openshell.hashB
@669fb1e54473663cf33d930d9c4b593bb0fed22abbdb7880a59d73f9fde505a02
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
@628e4b885a9366342c0da2dfd70f0bf805cdd53f16a37e818c5020df83b79ec0Y=´lÏbopenshell.executionƒ	¯@´lÏ
INFO2*
policy-change allowed2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@ede9287d02f3066f142aee5b0d301bc45dee9933e524f3dd9d926de3feece2c92
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
@669fb1e54473663cf33d930d9c4b593bb0fed22abbdb7880a59d73f9fde505a0Y¯@´lÏbopenshell.policy-changeÈ	‡D´lÏWARN*"
 policy-change denied (no policy)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@43fb20037b5dcc5bcd20b2ed3fc0def126953ab85b01290f8b0b99d23fd397f42
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
@ede9287d02f3066f142aee5b0d301bc45dee9933e524f3dd9d926de3feece2c9Y‡D´lÏbopenshell.policy-changeî	»H´lÏ
INFO2*
credential-change allowed2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@1b5856897385bac56d628a689d4ee5948588f2d05f79bc7de98f91cc5fa8211f2
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
@43fb20037b5dcc5bcd20b2ed3fc0def126953ab85b01290f8b0b99d23fd397f4Y»H´lÏbopenshell.credential-change¡	∞L´lÏ	INFO*"
 inbound-connection allowed :80802$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@679967520d3fe62f002464a7da589d3770efff1b331b1c002b33f1c8b2c0f8522
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
@1b5856897385bac56d628a689d4ee5948588f2d05f79bc7de98f91cc5fa8211fY∞L´lÏbopenshell.inbound-connection·	òP´lÏWARN*E
Cinbound-request denied GET agent.example.com:8080/status (no token)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@e0d807149719174d4606d7280115aaf072a76fca1e30869ce2314784523036c32
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
@679967520d3fe62f002464a7da589d3770efff1b331b1c002b33f1c8b2c0f852YòP´lÏbopenshell.inbound-request’	ÄT´lÏ	INFO*
inbound-outcome :80802$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@00136ca3dfa61bc1494e72fe214dd3d9c1e0d6d5eb6feefbc4454055aa5096942
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
@e0d807149719174d4606d7280115aaf072a76fca1e30869ce2314784523036c3YÄT´lÏbopenshell.inbound-outcome‚	hX´lÏERROR*8
6detection denied repeated-denials (20 denials in 60 s)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@da83e3ce48d8b84ffb293aca647ecda108591053924adb62f8af439839ae878c2
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
@00136ca3dfa61bc1494e72fe214dd3d9c1e0d6d5eb6feefbc4454055aa509694YhX´lÏbopenshell.detectionÄ	P\´lÏERROR*/
-log-repair (17 bytes of an unfinished record)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@efd68057e3e479c50f40542e53a19909d0fbdd2a2c995c1e857686a0f5c6971c2
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
@da83e3ce48d8b84ffb293aca647ecda108591053924adb62f8af439839ae878cYP\´lÏbopenshell.log-repairì	8`´lÏ	INFO*9
7log-retention (segments 1 to 3 were older than 90 days)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@25a5044f705eb9f23be63997a35b77e852458856697564cdf0ea164db8cc43cb2
openshell.tenant
local2
openshell.agent.name
test2
openshell.client
audit2=
openshell.reason)
'segments 1 to 3 were older than 90 days2
openshell.monotonic_ns∏î2T
openshell.prevB
@efd68057e3e479c50f40542e53a19909d0fbdd2a2c995c1e857686a0f5c6971cY8`´lÏbopenshell.log-retentionÛ	 d´lÏWARN*Ò
Ónetwork-request denied GE|T evil.example.com\u{d}\u{a}<14>1 - forged:80/x\u{1b}]0;owned\u{7}?y=\u{2028}{"a":1}\u{202e}] by /tmp/a|b=c\d"]\u{9}e\u{a} (quote " back \ slash | pipe = equals ] bracket\u{d}\u{a}CEF:0|forged|line\u{9}devTime=1)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@ffb38813ea7d89a7cb2587818f4130aef3248ed7820f32651a8ffd704aaaa85a2
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
@25a5044f705eb9f23be63997a35b77e852458856697564cdf0ea164db8cc43cbY d´lÏbopenshell.network-request®	h´lÏ	INFO*
lifecycle agent-exited2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@df3f3243920c586fc465bbd333ecd1dd95f8b982aa4993c23f554681428bd3702
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
@ffb38813ea7d89a7cb2587818f4130aef3248ed7820f32651a8ffd704aaaa85aYh´lÏbopenshell.lifecycleá	k´lÏWARN*
lifecycle failed2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@885ba67737a72b90bef8ffaabfb8bda01bf5f54892842b3be214dfd09c4e23002
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
@df3f3243920c586fc465bbd333ecd1dd95f8b982aa4993c23f554681428bd370Yk´lÏbopenshell.lifecycle∫	ÿo´lÏWARN*n
lfile-access denied read /etc/shadow by /usr/bin/cat (neither filesystem nor the file's permissions allow it)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@e331132ef8f97e410de167e75498b2537956c06ceb163e4fa101914a4fd5c5102
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
@885ba67737a72b90bef8ffaabfb8bda01bf5f54892842b3be214dfd09c4e2300Yÿo´lÏbopenshell.file-accessò	¿s´lÏ	INFO*"
 file-access allowed write /tmp/*2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@a29c34ae47b68835f819cfabd057b5c9f9da276f75476d54717eb665440fa8c52
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
@e331132ef8f97e410de167e75498b2537956c06ceb163e4fa101914a4fd5c510Y¿s´lÏbopenshell.file-access‹	®w´lÏ	INFO*5
3file-access allowed (other files, too many to list)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@de27b6e00a3782de815c523df18680a6da5f5c96c89c5c0b1cbc469694cfcfa82
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
@a29c34ae47b68835f819cfabd057b5c9f9da276f75476d54717eb665440fa8c5Y®w´lÏbopenshell.file-access€	ê{´lÏWARN*H
Fsystem-call denied mount by /tmp/x (process.seccomp does not allow it)2$
openshell.sandbox
test-0a1b2c3d2
openshell.sequence2T
openshell.hashB
@8e0b79561b53bde6d1bdec4b912ce295b5e49af2ad67af0814363f2e419c0c332
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
@de27b6e00a3782de815c523df18680a6da5f5c96c89c5c0b1cbc469694cfcfa8Yê{´lÏbopenshell.system-call