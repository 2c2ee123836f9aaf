/* The tiny guest of the KVM probe.
 *
 * amd64: a vCPU placed directly in 64-bit mode with identity paging takes a breakpoint exception through its own IDT and returns (iretq), exchanges 16 bytes (cmpxchg16b), saves and
 * restores its FPU state (xsave, xrstor), then writes to port 0xf4 how many breakpoints it saw: one is the right answer. These are the first things that Linux does and that
 * emulating hypervisors were seen to fail at. arm64: a vCPU stores to an address without memory behind it, which must come out as an MMIO exit.
 * Any other exit is the verdict "does not run guests". The guest has 64 KiB of memory and no device. */
#include "launcher/kvm.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include <errno.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define GUEST_MEMORY 0x10000u
#define MAX_EXITS 16

typedef struct {
  int vm, vcpu;
  uint8_t *memory;
  struct kvm_run *run;
  size_t run_size;
} Guest;

static void guest_clear(Guest *guest) {
  if (guest->run)
    munmap(guest->run, guest->run_size);
  if (guest->memory)
    munmap(guest->memory, GUEST_MEMORY);
  wry_fd_close(&guest->vcpu);
  wry_fd_close(&guest->vm);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Guest, guest_clear)

static gboolean lacks(GError **error, const char *what) {
  g_set_error(error, WRY_ERROR, WRY_ERROR_NO_KVM, "KVM: %s: %s", what, g_strerror(errno));
  return FALSE;
}

static gboolean guest_new(int kvm_fd, Guest *guest, GError **error) {
  guest->vm = ioctl(kvm_fd, KVM_CREATE_VM, 0UL);
  if (guest->vm < 0)
    return lacks(error, "create a VM");
  void *memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return lacks(error, "memory");
  guest->memory = memory;
  struct kvm_userspace_memory_region region = {.memory_size = GUEST_MEMORY, .userspace_addr = (uintptr_t)memory};
  if (ioctl(guest->vm, KVM_SET_USER_MEMORY_REGION, &region) != 0)
    return lacks(error, "give memory to the VM");
  guest->vcpu = ioctl(guest->vm, KVM_CREATE_VCPU, 0UL);
  int size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0UL);
  if (guest->vcpu < 0 || size < (int)sizeof(struct kvm_run))
    return lacks(error, "create a vCPU");
  void *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, guest->vcpu, 0);
  if (run == MAP_FAILED)
    return lacks(error, "map the vCPU");
  guest->run = run;
  guest->run_size = (size_t)size;
  return TRUE;
}

#ifdef __x86_64__
#define CODE 0x8000u
#define STACK 0x7000u
#define IDT 0x4000u
#define PML4 0x1000u
#define GDT 0x500u
#define DONE_PORT 0xf4
#define MAX_CPUID 128u

/* Addresses in the code are absolute: 0x600 counts breakpoints, 0x700 is 16 bytes for cmpxchg16b, 0x9000 the XSAVE area. */
__asm__(".pushsection .rodata\n"
        "kvm_guest_start:\n"
        "  int3\n"
        "  xor %eax, %eax\n  xor %edx, %edx\n  mov $1, %ebx\n  mov $2, %ecx\n"
        "  lock cmpxchg16b 0x700\n"
        "  mov $3, %eax\n  xor %edx, %edx\n"
        "  xsave 0x9000\n"
        "  mov $3, %eax\n  xor %edx, %edx\n"
        "  xrstor 0x9000\n"
        "  mov 0x600, %al\n"
        "  out %al, $0xf4\n"
        "  hlt\n"
        "kvm_guest_breakpoint:\n"
        "  incb 0x600\n"
        "  iretq\n"
        "kvm_guest_end:\n"
        ".popsection\n");
extern const uint8_t kvm_guest_start[], kvm_guest_breakpoint[], kvm_guest_end[];

static void put64(Guest *guest, guint at, guint64 value) {
  memcpy(guest->memory + at, &value, sizeof value);
}

/* Identity paging of the first 2 MiB, a GDT with 64-bit code and data, an IDT whose vector 3 is the breakpoint. */
static void write_memory(Guest *guest) {
  put64(guest, PML4, (PML4 + 0x1000) | 3);
  put64(guest, PML4 + 0x1000, (PML4 + 0x2000) | 3);
  put64(guest, PML4 + 0x2000, 0x83);
  put64(guest, GDT + 8, 0x00af9b000000ffffULL);
  put64(guest, GDT + 16, 0x00cf93000000ffffULL);
  guint64 entry = CODE + (guint64)(kvm_guest_breakpoint - kvm_guest_start);
  put64(guest, IDT + 3 * 16, (entry & 0xffff) | (8ULL << 16) | (0x8e00ULL << 32) | ((entry & 0xffff0000) << 32));
  memcpy(guest->memory + CODE, kvm_guest_start, (size_t)(kvm_guest_end - kvm_guest_start));
}

static gboolean set_cpuid(int kvm_fd, Guest *guest, GError **error) {
  g_autofree struct kvm_cpuid2 *cpuid = g_malloc0(sizeof *cpuid + MAX_CPUID * sizeof(struct kvm_cpuid_entry2));
  cpuid->nent = MAX_CPUID;
  if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) != 0 || ioctl(guest->vcpu, KVM_SET_CPUID2, cpuid) != 0)
    return lacks(error, "CPUID");
  return TRUE;
}

static gboolean set_registers(int kvm_fd, Guest *guest, GError **error) {
  struct kvm_segment code = {.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
  struct kvm_segment data = {.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
  struct kvm_regs regs = {.rip = CODE, .rsp = STACK, .rflags = 2};
  struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = 3}}};
  struct kvm_sregs s;
  if (!set_cpuid(kvm_fd, guest, error))
    return FALSE;
  if (ioctl(guest->vcpu, KVM_GET_SREGS, &s) != 0)
    return lacks(error, "read registers");
  s.cs = code;
  s.ds = s.es = s.fs = s.gs = s.ss = data;
  s.gdt = (struct kvm_dtable){.base = GDT, .limit = 23};
  s.idt = (struct kvm_dtable){.base = IDT, .limit = 16 * 16 - 1};
  s.cr3 = PML4;
  s.cr4 = (1 << 5) | (1 << 9) | (1 << 18); /* PAE, OSFXSR, OSXSAVE */
  s.cr0 = 0x80000033;                      /* PG, NE, ET, MP, PE */
  s.efer = (1 << 8) | (1 << 10);           /* LME, LMA */
  if (ioctl(guest->vcpu, KVM_SET_SREGS, &s) != 0 || ioctl(guest->vcpu, KVM_SET_XCRS, &xcrs) != 0 || ioctl(guest->vcpu, KVM_SET_REGS, &regs) != 0)
    return lacks(error, "set registers for 64-bit mode");
  return TRUE;
}

static gboolean prepare(int kvm_fd, Guest *guest, GError **error) {
  write_memory(guest);
  return set_registers(kvm_fd, guest, error);
}

static gboolean is_done(const Guest *guest) {
  const struct kvm_run *run = guest->run;
  return run->exit_reason == KVM_EXIT_IO && run->io.port == DONE_PORT && ((const uint8_t *)run)[run->io.data_offset] == 1;
}
#elif defined __aarch64__
#define DONE_ADDRESS 0x80000000ULL

static gboolean prepare(int kvm_fd, Guest *guest, GError **error) {
  /* movz x0, #0x8000, lsl #16 ; mov w1, #1 ; str w1, [x0] ; b . */
  static const uint32_t code[] = {0xd2b00000, 0x52800021, 0xb9000001, 0x14000000};
  struct kvm_vcpu_init init;
  uint64_t pc = 0x1000;
  struct kvm_one_reg reg = {.id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.pc), .addr = (uintptr_t)&pc};
  (void)kvm_fd;
  memcpy(guest->memory + pc, code, sizeof code);
  if (ioctl(guest->vm, KVM_ARM_PREFERRED_TARGET, &init) != 0 || ioctl(guest->vcpu, KVM_ARM_VCPU_INIT, &init) != 0 || ioctl(guest->vcpu, KVM_SET_ONE_REG, &reg) != 0)
    return lacks(error, "set up the vCPU");
  return TRUE;
}

static gboolean is_done(const Guest *guest) {
  return guest->run->exit_reason == KVM_EXIT_MMIO && guest->run->mmio.is_write && guest->run->mmio.phys_addr == DONE_ADDRESS && guest->run->mmio.data[0] == 1;
}
#else
#error "the KVM probe has no guest for this architecture"
#endif

gboolean wry_kvm_probe(int kvm_fd, GError **error) {
  g_auto(Guest) guest = {.vm = -1, .vcpu = -1};
  if (!guest_new(kvm_fd, &guest, error) || !prepare(kvm_fd, &guest, error))
    return FALSE;
  for (int i = 0; i < MAX_EXITS; i++) {
    if (ioctl(guest.vcpu, KVM_RUN, 0UL) != 0 && errno != EINTR)
      return lacks(error, "run");
    if (guest.run->exit_reason != KVM_EXIT_INTR)
      break;
  }
  if (is_done(&guest))
    return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_NO_KVM, "KVM does not run guests: the test guest ended with exit reason %u instead of its end", guest.run->exit_reason);
  return FALSE;
}
