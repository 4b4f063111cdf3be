// Keys of a shard, in one slot of a cluster by their hash tag:
//
//   PREFIX:{SHARD}:own    HASH node, until, epoch, seq (writes seen), born: times in ms of Redis
//   PREFIX:{SHARD}:calls  HASH key -> record; goes as a whole where nobody renews the shard
//   PREFIX:{v.KIND}       HASH name -> "until:value"
//
// Time is that of Redis, so nodes need no common clock. An epoch is at least Redis' time in ms: it
// grows also over a store that was emptied. Replies are flat arrays of strings and integers.
#include "redis_script.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#define NOW                                          \
	"local t=redis.call('TIME') "                \
	"local now=t[1]*1000+math.floor(t[2]/1000) " \
	"local function text(n) return string.format('%.0f',n) end "

#define OWN                                                                            \
	NOW "local o=redis.call('HMGET',KEYS[1],'node','until','epoch','seq','born') " \
	    "local node=o[1] or '' local left=math.max((tonumber(o[2]) or 0)-now,0) "  \
	    "local epoch=tonumber(o[3]) or 0 local seq=tonumber(o[4]) or 0 "

static struct redis_script scripts[N_REQUESTS] = {
	// KEYS own calls  ARGV node lease_ms grace_ms
	[REQUEST_CLAIM] = {OWN
		"if node~='' and node~=ARGV[1] and left>0 then "
		"return {'held',node,text(epoch),left,seq,0} end "
		"local born=tonumber(o[5]) "
		"if not born then born=now redis.call('HSET',KEYS[1],'born',text(now)) end "
		"local wait=born+tonumber(ARGV[3])-now "
		"if epoch==0 and wait>0 then return {'early','','0',wait,0,0} end "
		"epoch=math.max(epoch+1,now) "
		"redis.call('HSET',KEYS[1],'node',ARGV[1],'until',text(now+ARGV[2]),"
		"'epoch',text(epoch)) "
		"return {'ok',ARGV[1],text(epoch),tonumber(ARGV[2]),seq,"
		"redis.call('HLEN',KEYS[2])}"},
	// KEYS own calls  ARGV node lease_ms epoch seq rewind ttl_s
	[REQUEST_RENEW] = {OWN
		"local mine=tonumber(ARGV[3]) local state='ok' "
		"if epoch>mine then return {'stale',node,text(epoch),left,seq,0} end "
		"if epoch<mine or seq<tonumber(ARGV[4]) or ARGV[5]=='1' then "
		"state='rewound' mine=math.max(mine+1,now) "
		"redis.call('UNLINK',KEYS[2]) end "
		"redis.call('HSET',KEYS[1],'node',ARGV[1],'until',text(now+ARGV[2]),"
		"'epoch',text(mine),'seq',text(seq),'born',o[5] or text(now)) "
		"redis.call('EXPIRE',KEYS[2],ARGV[6]) "
		"return {state,ARGV[1],text(mine),tonumber(ARGV[2]),seq,"
		"redis.call('HLEN',KEYS[2])}"},
	// KEYS own calls  ARGV epoch
	[REQUEST_RELEASE] = {OWN
		"if o[3]~=ARGV[1] then return {'stale',node,text(epoch),left,seq,0} end "
		"redis.call('HSET',KEYS[1],'node','','until','0') "
		"return {'ok','',text(epoch),0,seq,0}"},
	// KEYS own calls
	[REQUEST_OWNER] = {OWN
		"return {(left>0 and node~='') and 'ok' or 'none',node,text(epoch),left,seq,0}"},
	// KEYS own calls  ARGV epoch ttl_s n_deleted key... (key record)...
	[REQUEST_WRITE] =
		{"if redis.call('HGET',KEYS[1],'epoch')~=ARGV[1] then return {'stale','','0',0,0,0} end "
		 "local n=tonumber(ARGV[3]) "
		 "if n>0 then redis.call('HDEL',KEYS[2],unpack(ARGV,4,3+n)) end "
		 "if #ARGV>3+n then redis.call('HSET',KEYS[2],unpack(ARGV,4+n,#ARGV)) "
		 "if redis.call('TTL',KEYS[2])<0 then redis.call('EXPIRE',KEYS[2],ARGV[2]) end end "
		 "return {'ok','','0',0,redis.call('HINCRBY',KEYS[1],'seq',1),"
		 "redis.call('HLEN',KEYS[2])}"},
	// KEYS values  ARGV name value ttl_ms
	[REQUEST_VALUE_SET] = {NOW
		"redis.call('HSET',KEYS[1],ARGV[1],text(now+ARGV[3])..':'..ARGV[2]) "
		"if redis.call('PTTL',KEYS[1])<tonumber(ARGV[3]) then "
		"redis.call('PEXPIRE',KEYS[1],ARGV[3]) end return {'ok','','0',0,0,0}"},
	// KEYS values  ARGV name delta ttl_ms
	[REQUEST_VALUE_ADD] = {NOW
		"local ends=now+ARGV[3] local number=0 "
		"local v=redis.call('HGET',KEYS[1],ARGV[1]) "
		"if v then local u,x=string.match(v,'^(%d+):(.*)$') "
		"if tonumber(u)>now then ends=tonumber(u) number=tonumber(x) or 0 end end "
		"number=number+ARGV[2] "
		"redis.call('HSET',KEYS[1],ARGV[1],text(ends)..':'..text(number)) "
		"if redis.call('PTTL',KEYS[1])<ends-now then "
		"redis.call('PEXPIRE',KEYS[1],text(ends-now)) end "
		"return {'ok',text(number),'0',0,0,0}"},
	// KEYS values  ARGV name
	[REQUEST_VALUE_GET] = {NOW
		"local v=redis.call('HGET',KEYS[1],ARGV[1]) if not v then return {} end "
		"local u=string.match(v,'^(%d+):') "
		"if tonumber(u)<=now then return {} end return {ARGV[1],string.sub(v,#u+2)}"},
	// KEYS values
	[REQUEST_VALUE_LIST] = {NOW
		"local all=redis.call('HGETALL',KEYS[1]) local out={} local old={} "
		"for i=1,#all,2 do local u=string.match(all[i+1],'^(%d+):') "
		"if tonumber(u)<=now then old[#old+1]=all[i] "
		"else out[#out+1]=all[i] out[#out+1]=string.sub(all[i+1],#u+2) end end "
		"for i=1,#old do redis.call('HDEL',KEYS[1],old[i]) end return out"},
};

// Redis names a script by the SHA-1 of its text; nothing about security hangs on it.
static void name_script(struct redis_script *script)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0, i;

	EVP_Digest(script->text, strlen(script->text), digest, &length, EVP_sha1(), NULL);
	for (i = 0; i < length && i < 20; i++)
		snprintf(script->sha + (size_t)2 * i, 3, "%02x", digest[i]);
}

struct redis_script *redis_script_of(enum request_type type)
{
	struct redis_script *script = &scripts[type];

	if (!script->text)
		return NULL;
	if (!script->sha[0])
		name_script(script);
	return script;
}
