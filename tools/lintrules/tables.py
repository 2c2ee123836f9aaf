"""What the lint enforces, as tables: layers, one place per library, calls that open a path by string, sizes, words.

A new rule of these kinds is a row here; an exception that has a reason is a line in tools/lint.allow.
"""

# folder prefix -> what its files may include (project headers, by prefix). The longest matching prefix decides.
# gen/ is what the build generates.
LAYERS = {
    "include/": ["include/"],
    "lib/": ["include/", "lib/"],
    "launcher/": ["include/", "launcher/", "gen/"],
    "launcher/domain/": ["include/", "launcher/domain/"],
    "handler/": ["include/", "handler/", "gen/"],
    "tools/": ["include/", "tools/"],
    "tests/": ["include/", "lib/", "launcher/", "handler/", "tools/", "tests/", "gen/"],
}

# system header (regular expression) -> the files that may include it, name of the library
LIBRARIES = [
    (r"libvirt/.*", r"launcher/virt/|tests/|tools/bench/", "libvirt"),
    (r"netlink/.*", r"launcher/net/|tests/", "libnl"),
    (r"libcgroup(\.h|/.*)", r"launcher/cgroup/", "libcgroup"),
    (r"seccomp\.h", r"tools/policyc\.c$", "libseccomp"),
    (r"cap-ng\.h", r"lib/isolate\.c$", "libcap-ng"),
    (r"yaml\.h", r"lib/yaml\.c$", "libyaml"),
    (r"(json-c/.*|json\.h)", r"lib/|include/wherry/json\.h$", "json-c"),
    (r"libxml/.*", r"launcher/domain/xml\.c$|tests/", "libxml2"),
    (r"archive(_entry)?\.h", r"(lib/oci[^/]*|launcher/storage/iso)\.c$", "libarchive"),
    (r"nghttp2/.*", r"handler/node/grpc\w*\.[ch]$|tests/", "nghttp2"),
    (r"(protobuf-c/.*|\w+\.pb-c\.h)", r"handler/node/device_messages\.c$|tests/", "protobuf-c"),
    (r"curl/.*", r"handler/kube/", "libcurl"),
    (r"microhttpd\.h", r"handler/api/server\.c$", "libmicrohttpd"),
    (r"gnutls/.*", r"handler/api/(tls|front|server)\.[ch]$|tests/", "gnutls"),
    (r"check\.h", r"tests/", "check"),
]

# Programs that run inside the sandbox before or around QEMU: libc only, also through the headers they include.
LIBC_ONLY = r"launcher/(init|jail)(_\w+)?\.[ch]$"
LIBC_HEADERS = (r"(arpa|asm|bits|linux|net|netinet|sys)/[\w/]+\.h|(assert|ctype|dirent|errno|fcntl|grp|inttypes|limits|"
                r"poll|pwd|sched|signal|spawn|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|"
                r"strings|termios|time|unistd|elf|endian|features|getopt)\.h")
INIT_FILES = r"launcher/init(_\w+)?\.c$"
INIT_LINES = 300

# Product code, where the rules on calls hold.
PRODUCT = r"(include|lib|launcher|handler|tools/wherryctl)/"
PATH_MODULE = r"lib/vpath\.c$"

# calls that take a path by string: function -> index of the path argument; always refused outside the path module
PATH_CALLS = {name: 0 for name in """
    access bind_path canonicalize_file_name chdir chmod chown chroot creat eaccess euidaccess execl execle execlp execv execve
    execvp execvpe fopen freopen ftw getxattr lchown lgetxattr link listxattr lsetxattr lstat lutimes mkdir mkdtemp mkfifo
    mknod mkostemp mkstemp mount nftw open open64 opendir pathconf pivot_root posix_spawn posix_spawnp readlink realpath
    remove removexattr rename rmdir scandir setxattr stat statfs statvfs swapon symlink truncate umount umount2 unlink
    utime utimes g_access g_chdir g_chmod g_creat g_dir_open g_file_get_contents g_file_load_contents g_file_new_for_path
    g_file_open_tmp g_file_read_link g_file_set_contents g_file_set_contents_full g_file_test g_fopen g_freopen g_lstat
    g_mapped_file_new g_mkdir g_mkdir_with_parents g_mkdtemp g_mkstemp g_open g_remove g_rename g_rmdir g_stat g_unlink
    g_unix_socket_address_new inotify_add_watch g_file_new_build_filename
    """.split()}
PATH_CALLS["mount"] = PATH_CALLS["pivot_root"] = 1
HARMLESS_PATHS = {'"/"', '"."', "NULL"}
# calls with a directory fd: refused unless the name is a string literal
AT_CALLS = {name: 1 for name in """
    execveat faccessat fchmodat fchownat fstatat futimesat linkat mkdirat mkfifoat mknodat name_to_handle_at openat
    openat2 readlinkat renameat renameat2 scandirat statx unlinkat utimensat
    """.split()}
AT_CALLS["symlinkat"] = 2
# a unix socket address by name is a path too
PATH_FIELDS = r"\bsun_path\b"

# calls that product code never makes -> why
BANNED_CALLS = {
    "alloca": "unbounded stack", "asctime": "static buffer", "gets": "no bound", "popen": "starts a shell",
    "printf_s": "not in libc", "sleep": "the loop waits for events", "usleep": "the loop waits for events",
    "nanosleep": "the loop waits for events", "g_usleep": "the loop waits for events", "sprintf": "no bound",
    "strcat": "no bound", "strcpy": "no bound", "strtok": "hidden state", "system": "starts a shell",
    "tmpnam": "race", "vsprintf": "no bound", "atoi": "no error", "atol": "no error", "atoll": "no error",
}

FILE_LINES = 500
FUNCTION_LINES = 60
# texts that are data or prose, not code: no length limit
LONG_TEXT = r"(^|/)(LICENSE|CHANGELOG\.md|[^/]+\.(md|json|xml|yaml|yml|txt|allow|dict|supp|[1-9]))$|^tests/.*/(corpus|data|expected)/"

# words that must not be in the tree -> why; matched in every text file
WORDS = [
    (r"\b(TODO|FIXME|XXX|HACK)\b", "unfinished work belongs elsewhere"),
    (r"(?<![\w.])/work/(main|shared)\b|/tmp/wherry/", "a path of one machine"),
]
# file names that say nothing
VAGUE_NAMES = r"(^|[/_])(utils?|misc|manager|helpers?)(\.[ch]|/)"
VAGUE_EXEMPT = r"tests/helpers/"

# exported functions start with one of these; a name in capitals is a macro that ctags takes for a function
EXPORTED = r"(wry_|LLVMFuzzer|main$|[A-Z0-9_]+$)"
EXPORT_SCOPE = r"(lib|launcher|handler|tools/wherryctl)/"
