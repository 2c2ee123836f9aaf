#pragma once
/* Every limit of Wherry has its name here. Bytes unless the name says otherwise. */

#define WRY_MAX_MANIFEST_BYTES (4u << 20)   /* one manifest file */
#define WRY_MAX_JSON_DEPTH 64u              /* nesting of any JSON or YAML from outside */
#define WRY_MAX_JSON_MEMORY (128u << 20)    /* estimated memory of the tree of one JSON or YAML text, aliases expanded */
#define WRY_MAX_DIR_ENTRIES 65536u          /* names in one directory that is listed */
#define WRY_MAX_CAUSES 256u                 /* refusals collected for one object; KubeVirt shows ten */
#define WRY_MAX_CAUSES_SHOWN 10u
#define WRY_MAX_DISKS 256u                  /* CRD limit: disks, interfaces, networks, volumes */
#define WRY_MAX_INTERFACES 32u              /* interfaces of one VM that the launcher sets up */
#define WRY_MAX_PORTS 64u                   /* listed ports of one interface */
#define WRY_MAX_CLOUDINIT_INLINE 2048u      /* KubeVirt's limit for inline user or network data */
#define WRY_MAX_CLOUDINIT_SECRET (1u << 20) /* Kubernetes' limit for a Secret */
#define WRY_DISK_ALIGN 4096                 /* a disk file's size is a multiple of it: what O_DIRECT may want, else QEMU refuses the disk */
#define WRY_MAX_VCPUS 512u

#define WRY_MAX_MESSAGE (64u << 10)         /* one handler <-> launcher message */
#define WRY_MAX_MESSAGE_FDS 4u
#define WRY_MAX_WIRE_QUEUE 64u              /* messages that wait for a peer to read */
#define WRY_MAX_BUNDLE (8u << 20)           /* the memfd that carries a VMI and its data to a launcher */
#define WRY_MAX_SETUP_FDS 16u               /* sockets that setup hands over */

#define WRY_CONSOLE_RING (256u << 10)       /* scroll-back kept in memory per console */
#define WRY_CONSOLE_LOG (2u << 20)          /* one console log file; one older file is kept */
#define WRY_CONSOLE_SESSIONS 8u             /* readers of one console */

#define WRY_MAX_AGENT_REPLY (256u << 10)    /* one guest agent answer */
#define WRY_MAX_AGENT_INTERFACES 32u
#define WRY_MAX_AGENT_ADDRESSES 8u          /* addresses kept per guest interface */
#define WRY_MAX_AGENT_STRING 256u

#define WRY_MAX_RECORD (1u << 20)           /* body of a state record */
#define WRY_MAX_CONTROL_MESSAGE (4u << 20)  /* one Varlink message on the control socket */
#define WRY_MAX_CONTROL_CLIENTS 128u

#define WRY_MAX_KUBE_OBJECT (8u << 20)      /* one object in an answer of an API server; etcd takes 1.5 MiB */

#define WRY_BACKOFF_STEP_SECONDS 10u        /* KubeVirt's crash-loop back-off: step x count squared */
#define WRY_BACKOFF_MAX_SECONDS 300u
#define WRY_DEFAULT_GRACE_SECONDS 30        /* terminationGracePeriodSeconds when a VMI has none (contract 5.1) */

#define WRY_VM_UID_FIRST 600000000u         /* unique uid (and gid) per VM: first + slot */
#define WRY_VM_SLOTS 4093u              /* VM objects of one root: the hosts of its network, a /20 */
#define WRY_VM_UIDS 16384u              /* uids kept for one root */
