/*
 * A guest of one disk sector, for virtual machines on a real /dev/kvm and for tests
 * that need a guest at once. BIOS only, machine q35.
 *
 * It prints a line on COM1 and then does what the variant byte (offset VARIANT in the
 * sector, see the end) says:
 *   'i'  idle: halt; echo what arrives on COM1; the ACPI power button powers off
 *   'p'  power off (ACPI S5)
 *   'r'  reset (port 0xCF9)
 *   't'  triple fault
 * While idle the characters ^P, ^R and ^T do the same as 'p', 'r' and 't'.
 *
 * No timer is left running: an idle guest of this kind causes no wake-up.
 * Relies on: ICH9's power management base at 0x600, where SeaBIOS and OVMF put it.
 */
	.code16
	.text
	.globl	_start

	.set	COM1, 0x3f8
	.set	PM_STATUS, 0x600
	.set	PM_ENABLE, 0x602
	.set	PM_CONTROL, 0x604
	.set	POWER_BUTTON, 0x100

_start:
	ljmp	$0, $main
main:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	cld

	movw	$hello, %si
	call	print
	movb	variant, %al
	cmpb	$'i', %al
	jne	act

	/* Interrupts: COM1 is IRQ 4 (vector 0x0c), ACPI is IRQ 9 (vector 0x71). */
	movw	$serial, 0x0c * 4
	movw	$0, 0x0c * 4 + 2
	movw	$power, 0x71 * 4
	movw	$0, 0x71 * 4 + 2
	movb	$0xeb, %al		/* all off but 2 (the second PIC) and 4 */
	outb	%al, $0x21
	movb	$0xfd, %al		/* all off but 9 */
	outb	%al, $0xa1

	movb	$0x30, %al		/* the timer: once more (mode 0) and never again */
	outb	%al, $0x43
	outb	%al, $0x40
	outb	%al, $0x40

	movw	$COM1 + 1, %dx		/* interrupt on received data */
	movb	$1, %al
	outb	%al, %dx
	movw	$COM1 + 4, %dx		/* DTR, RTS, OUT2: lets the interrupt through */
	movb	$0x0b, %al
	outb	%al, %dx

	movw	$PM_STATUS, %dx
	movw	$POWER_BUTTON, %ax
	outw	%ax, %dx
	movw	$PM_ENABLE, %dx
	outw	%ax, %dx
	movw	$PM_CONTROL, %dx	/* SCI_EN: events make interrupts, not SMIs */
	movw	$1, %ax
	outw	%ax, %dx

idle:
	sti
	hlt
	jmp	idle

/* Echo; carriage return becomes a new line. */
serial:
	pushaw
1:
	movw	$COM1 + 5, %dx
	inb	%dx, %al
	testb	$1, %al
	jz	2f
	movw	$COM1, %dx
	inb	%dx, %al
	cmpb	$0x10, %al		/* ^P */
	je	poweroff
	cmpb	$0x12, %al		/* ^R */
	je	reset
	cmpb	$0x14, %al		/* ^T */
	je	fault
	call	put
	cmpb	$'\r', %al
	jne	1b
	movb	$'\n', %al
	call	put
	jmp	1b
2:
	movb	$0x20, %al
	outb	%al, $0x20
	popaw
	iretw

power:
	movw	$button, %si
	call	print
	jmp	poweroff

act:
	cmpb	$'p', %al
	je	poweroff
	cmpb	$'r', %al
	je	reset
fault:
	lidt	empty			/* no vector fits: the second fault has no handler either */
	int3
reset:
	movb	$0x06, %al
	movw	$0xcf9, %dx
	outb	%al, %dx
	jmp	halt
poweroff:
	movw	$PM_CONTROL, %dx
	movw	$0x2000, %ax		/* SLP_EN, SLP_TYP 0: S5 on ICH9 */
	outw	%ax, %dx
halt:
	cli
	hlt
	jmp	halt

/* %si: text with a closing zero. */
print:
	lodsb
	testb	%al, %al
	jz	1f
	call	put
	jmp	print
1:
	ret

/* %al to COM1 when its transmitter is empty. */
put:
	pushw	%ax
	movw	$COM1 + 5, %dx
1:
	inb	%dx, %al
	testb	$0x20, %al
	jz	1b
	popw	%ax
	movw	$COM1, %dx
	outb	%al, %dx
	ret

hello:
	.asciz	"boot sector: hello\r\n"
button:
	.asciz	"boot sector: power button\r\n"
empty:
	.word	0
	.long	0

	.org	509
variant:
	.byte	'i'
	.word	0xaa55
