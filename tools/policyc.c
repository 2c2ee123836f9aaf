/* policyc: compiles a seccomp allow-list into a C header, at build time.
 *
 *   policyc [--arch NAME] [--mode kill|log|errno] LIST.allow [-o HEADER]
 *
 * A list has one rule a line, each with its reason:
 *
 *   limit 90                                 # fails the build when more system calls are allowed
 *   read                                     # reason
 *   socket arg0==AF_UNIX                     # reason; several argN conditions must all hold
 *   prctl arg0==PR_SET_NAME,PR_GET_DUMPABLE  # reason; a comma separates alternatives
 *   clone arg0&CLONE_THREAD                  # reason; all bits set (`!&`: none set)
 *   ioctl arg1&0xff00==0xae00                # reason; these bits have this value
 *   errno ENOSYS clone3                      # reason; refused with an errno instead of killed
 *   otherwise ENOSYS                         # reason; everything else is refused with an errno
 *
 * Without `otherwise` everything else kills the process; a call of a foreign architecture always does. Mode `log` (or WRY_POLICY_MODE=log in the build's
 * environment) lets unlisted calls through and has the kernel log them (type=1326): that is how lists are derived. Mode `errno`
 * refuses with EPERM.
 *
 * For another architecture than x86_64, LIST.allow stands for <its folder>/<arch>/<its name>: legacy calls differ too much for
 * one list. The header holds the raw program `wry_policy_<name>[]`, so that nothing links libseccomp at run time. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policyc_names.h"

#define MAX_RULES 256u
#define MAX_VALUES 64u
#define MAX_CONDITIONS 4u
#define MAX_PROGRAM 4096u

typedef struct {
  unsigned arg;
  enum scmp_compare op;
  uint64_t mask;
  uint64_t values[MAX_VALUES];
  unsigned n_values;
} Condition;

typedef struct {
  char name[64];
  unsigned line;
  int refuse; /* errno, 0 = allow */
  Condition conditions[MAX_CONDITIONS];
  unsigned n_conditions;
} Rule;

static struct {
  const char *path;
  unsigned line;
  Rule rules[MAX_RULES];
  unsigned n_rules;
  unsigned limit;
  int otherwise; /* errno, 0 = kill */
} list;

static _Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void fail(const char *format, ...) {
  va_list args;
  fprintf(stderr, "%s:%u: ", list.path ? list.path : "policyc", list.line);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  exit(1);
}

/* --- reading --------------------------------------------------------------------------------------------------------- */

static uint64_t read_word(const char *word) {
  for (size_t i = 0; i < sizeof policyc_names / sizeof *policyc_names; i++)
    if (strcmp(policyc_names[i].name, word) == 0)
      return policyc_names[i].value;
  char *end;
  errno = 0;
  uint64_t value = strtoull(word, &end, 0);
  if (errno || end == word || *end)
    fail("\"%s\" is neither a number nor a name of policyc_names.h", word);
  return value;
}

/* A|B|C */
static uint64_t read_value(char *text) {
  uint64_t value = 0;
  char *save;
  for (char *word = strtok_r(text, "|", &save); word; word = strtok_r(NULL, "|", &save))
    value |= read_word(word);
  return value;
}

/* The text after `op` when `text` starts with it. */
static char *after(char *text, const char *op) {
  return strncmp(text, op, strlen(op)) == 0 ? text + strlen(op) : NULL;
}

/* <op>value: sets mask and wanted bits; == compares the low 32 bits, which is all that the kernel takes of an int. */
static char *read_operator(Condition *c, char *text) {
  char *values;
  c->op = SCMP_CMP_MASKED_EQ;
  c->mask = UINT32_MAX;
  if ((values = after(text, "==")))
    return values;
  if ((values = after(text, "!&"))) {
    c->mask = read_value(values);
    strcpy(values, "0");
    return values;
  }
  if (!(values = after(text, "&")))
    fail("\"%s\" has none of the operators == & !&", text);
  char *wanted = strstr(values, "==");
  if (wanted) {
    *wanted = '\0';
    c->mask = read_value(values);
    return wanted + 2;
  }
  char copy[256];
  snprintf(copy, sizeof copy, "%s", values);
  c->mask = read_value(copy);
  return values;
}

/* argN<op>value[,value] */
static void read_condition(Rule *rule, char *text) {
  if (strncmp(text, "arg", 3) != 0 || text[3] < '0' || text[3] > '5')
    fail("\"%s\" is not a condition (argN==value)", text);
  if (rule->n_conditions == MAX_CONDITIONS)
    fail("more than %u conditions", MAX_CONDITIONS);
  Condition *c = &rule->conditions[rule->n_conditions++];
  c->arg = (unsigned)(text[3] - '0');
  char *values = read_operator(c, text + 4), *save;
  for (char *word = strtok_r(values, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
    if (c->n_values == MAX_VALUES)
      fail("more than %u values", MAX_VALUES);
    uint64_t value = read_value(word);
    if (value & ~c->mask)
      fail("\"%s\" has bits outside the mask", word);
    c->values[c->n_values++] = value;
  }
  if (c->n_values == 0)
    fail("a condition without a value");
}

static void check_rule(const Rule *rule) {
  unsigned alternatives = 0;
  for (unsigned i = 0; i < rule->n_conditions; i++)
    alternatives += rule->conditions[i].n_values > 1;
  if (alternatives > 1)
    fail("only one condition of a rule may have alternatives");
  for (unsigned i = 0; i + 1 < list.n_rules; i++) {
    const Rule *other = &list.rules[i];
    if (strcmp(other->name, rule->name) == 0 && (other->n_conditions == 0 || rule->n_conditions == 0))
      fail("%s has a rule already", rule->name);
  }
}

static int read_errno(const char *word) {
  int value = word ? (int)read_word(word) : 0;
  if (value <= 0 || value > 4095)
    fail("errno NAME system-call, or otherwise NAME");
  return value;
}

static void read_rule(char *text) {
  if (list.n_rules == MAX_RULES)
    fail("more than %u rules", MAX_RULES);
  Rule *rule = &list.rules[list.n_rules++];
  rule->line = list.line;
  char *save, *word = strtok_r(text, " \t", &save);
  if (strcmp(word, "errno") == 0) {
    rule->refuse = read_errno(strtok_r(NULL, " \t", &save));
    word = strtok_r(NULL, " \t", &save);
    if (!word)
      fail("errno NAME system-call");
  }
  if (strlen(word) >= sizeof rule->name)
    fail("name too long");
  strcpy(rule->name, word);
  while ((word = strtok_r(NULL, " \t", &save)))
    read_condition(rule, word);
  check_rule(rule);
}

static void read_line(char *line) {
  char *reason = strchr(line, '#');
  if (reason)
    *reason++ = '\0';
  size_t blank = strspn(line, " \t\n");
  if (line[blank] == '\0')
    return;
  for (size_t end = strlen(line); end > 0 && strchr(" \t\n", line[end - 1]); end--)
    line[end - 1] = '\0';
  if (strncmp(line + blank, "limit ", 6) == 0) {
    list.limit = (unsigned)read_word(line + blank + 6);
    return;
  }
  if (!reason || reason[strspn(reason, " \t\n")] == '\0')
    fail("a rule without a reason (# ...)");
  if (strncmp(line + blank, "otherwise ", 10) == 0)
    list.otherwise = read_errno(line + blank + 10);
  else
    read_rule(line + blank);
}

static void read_list(const char *path) {
  FILE *in = fopen(path, "re");
  if (!in)
    fail("%s: %s", path, strerror(errno));
  char line[1024];
  for (list.path = path; fgets(line, sizeof line, in);) {
    list.line++;
    if (!strchr(line, '\n') && !feof(in))
      fail("line too long");
    read_line(line);
  }
  fclose(in);
}

/* --- compiling ------------------------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  uint32_t action;
} modes[] = { { "kill", SCMP_ACT_KILL_PROCESS }, { "log", SCMP_ACT_LOG }, { "errno", SCMP_ACT_ERRNO(EPERM) } };

static uint32_t default_action(const char *mode) {
  if (list.otherwise && strcmp(mode, modes[0].name) == 0)
    return SCMP_ACT_ERRNO((uint32_t)list.otherwise);
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
    if (strcmp(modes[i].name, mode) == 0)
      return modes[i].action;
  fail("mode \"%s\" is none of kill, log, errno", mode);
}

static unsigned widest(const Rule *rule) {
  unsigned n = 1;
  for (unsigned i = 0; i < rule->n_conditions; i++)
    n = rule->conditions[i].n_values > n ? rule->conditions[i].n_values : n;
  return n;
}

/* A call's number as rules want it; negative when this architecture has no such call. */
static int resolve_call(uint32_t arch, const char *name) {
  for (size_t i = 0; i < sizeof policyc_calls / sizeof *policyc_calls; i++)
    if (strcmp(policyc_calls[i].name, name) == 0)
      return policyc_calls[i].number;
  if (seccomp_syscall_resolve_name_arch(arch, name) < 0)
    return -1;
  return seccomp_syscall_resolve_name(name); /* rules are given in native numbers and translated */
}

static void add_rule(scmp_filter_ctx ctx, const Rule *rule, uint32_t arch, uint32_t otherwise) {
  list.line = rule->line;
  int nr = resolve_call(arch, rule->name);
  if (nr < 0)
    fail("%s is not a system call of this architecture", rule->name);
  uint32_t action = rule->refuse ? SCMP_ACT_ERRNO((uint32_t)rule->refuse) : SCMP_ACT_ALLOW;
  if (action == otherwise)
    return; /* libseccomp refuses a rule that says what the default says */
  for (unsigned alternative = 0; alternative < widest(rule); alternative++) {
    struct scmp_arg_cmp args[MAX_CONDITIONS];
    for (unsigned i = 0; i < rule->n_conditions; i++) {
      const Condition *c = &rule->conditions[i];
      uint64_t value = c->values[c->n_values > 1 ? alternative : 0];
      args[i] = (struct scmp_arg_cmp){ c->arg, c->op, c->mask, value };
    }
    int r = seccomp_rule_add_exact_array(ctx, action, nr, rule->n_conditions, args);
    if (r < 0)
      fail("%s: %s", rule->name, strerror(-r));
  }
}

static unsigned count_allowed(void) {
  unsigned n = 0;
  for (unsigned i = 0; i < list.n_rules; i++) {
    bool seen = list.rules[i].refuse != 0;
    for (unsigned k = 0; k < i && !seen; k++)
      seen = list.rules[k].refuse == 0 && strcmp(list.rules[k].name, list.rules[i].name) == 0;
    n += !seen;
  }
  return n;
}

static void must(int r, const char *what) {
  if (r < 0)
    fail("%s: %s", what, strerror(-r));
}

static scmp_filter_ctx compile(const char *arch_name, const char *mode) {
  must(seccomp_api_set(5), "libseccomp API level"); /* what the filter may use does not depend on the building kernel */
  scmp_filter_ctx ctx = seccomp_init(default_action(mode));
  uint32_t arch = seccomp_arch_resolve_name(arch_name);
  if (!ctx || arch == 0)
    fail("architecture \"%s\" is unknown", arch_name);
  if (arch != seccomp_arch_native()) {
    must(seccomp_arch_add(ctx, arch), "architecture");
    must(seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE), "architecture");
  }
  must(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "foreign architecture");
  must(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2), "binary tree");
  for (unsigned i = 0; i < list.n_rules; i++)
    add_rule(ctx, &list.rules[i], arch, default_action(mode));
  return ctx;
}

/* --- writing --------------------------------------------------------------------------------------------------------- */

static size_t export_program(scmp_filter_ctx ctx, struct sock_filter *program) {
  int fd = memfd_create("policy", MFD_CLOEXEC);
  if (fd < 0)
    fail("memfd: %s", strerror(errno));
  must(seccomp_export_bpf(ctx, fd), "export");
  ssize_t n = pread(fd, program, MAX_PROGRAM * sizeof *program, 0);
  if (n <= 0 || n == (ssize_t)(MAX_PROGRAM * sizeof *program) || (size_t)n % sizeof *program)
    fail("program of %zd bytes", n);
  close(fd);
  return (size_t)n / sizeof *program;
}

static void write_header(FILE *out, const char *name, const char *arch, const char *mode, const struct sock_filter *program, size_t n) {
  char upper[64] = "";
  for (size_t i = 0; name[i] && i + 1 < sizeof upper; i++)
    upper[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]);
  fprintf(out,
          "#pragma once\n/* Made by policyc from policies/%s.allow for %s, mode %s. */\n#include <linux/filter.h>\n\n"
          "#define WRY_POLICY_%s_ALLOWED %uu\n\n__attribute__((unused)) static const struct sock_filter wry_policy_%s[] = {\n",
          name, arch, mode, upper, count_allowed(), name);
  for (size_t i = 0; i < n; i++)
    fprintf(out, "  { 0x%04x, %u, %u, 0x%08x },\n", program[i].code, program[i].jt, program[i].jf, program[i].k);
  fputs("};\n", out);
}

/* policies/x.allow -> policies/<arch>/x.allow, and the name x. */
static void resolve(const char *path, const char *arch, char *resolved, char *name) {
  char dir[PATH_MAX], base[PATH_MAX];
  snprintf(dir, sizeof dir, "%s", path);
  snprintf(base, sizeof base, "%s", path);
  char *file = basename(base);
  size_t stem = strcspn(file, ".");
  if (stem == 0 || stem >= 48 || strcmp(file + stem, ".allow") != 0)
    fail("%s is not named <policy>.allow", path);
  const char *sub = strcmp(arch, "x86_64") == 0 ? "" : arch;
  if (snprintf(resolved, PATH_MAX, "%s/%s%s%s", dirname(dir), sub, *sub ? "/" : "", file) >= PATH_MAX)
    fail("path too long");
  memcpy(name, file, stem);
  name[stem] = '\0';
}

int main(int argc, char **argv) {
  const char *arch = "x86_64", *mode = getenv("WRY_POLICY_MODE"), *in = NULL, *out = NULL;
  mode = mode && *mode ? mode : "kill";
  for (int i = 1; i < argc; i++) {
    const char **value = strcmp(argv[i], "--arch") == 0 ? &arch : strcmp(argv[i], "--mode") == 0 ? &mode : strcmp(argv[i], "-o") == 0 ? &out : NULL;
    if (value && i + 1 < argc)
      *value = argv[++i];
    else if (!value && !in && argv[i][0] != '-')
      in = argv[i];
    else
      fail("usage: policyc [--arch NAME] [--mode kill|log|errno] LIST.allow [-o HEADER]");
  }
  if (!in)
    fail("usage: policyc [--arch NAME] [--mode kill|log|errno] LIST.allow [-o HEADER]");
  static char resolved[PATH_MAX], name[64];
  static struct sock_filter program[MAX_PROGRAM];
  resolve(in, arch, resolved, name);
  read_list(resolved);
  if (list.limit && count_allowed() > list.limit)
    fail("%u system calls allowed, the limit is %u", count_allowed(), list.limit);
  scmp_filter_ctx ctx = compile(arch, mode);
  size_t n = export_program(ctx, program);
  seccomp_release(ctx);
  FILE *to = out ? fopen(out, "we") : stdout;
  if (!to)
    fail("%s: %s", out, strerror(errno));
  write_header(to, name, arch, mode, program, n);
  if (fflush(to) != 0 || ferror(to) || (out && fclose(to) != 0))
    fail("%s: %s", out ? out : "stdout", strerror(errno));
  return 0;
}
