/*
 * The guest of the launcher's tests, one disk sector, BIOS, machine q35. It prints READY, echoes what arrives on COM1, powers off when the ACPI power button is pressed, and obeys
 * single characters:
 *   'i'  from now on ignore the power button     'q'  power off          'r'  reset
 *   'p'  tell of a panic (pvpanic)               'f'  print 10 MiB, then FLOODED
 *   'w'  write a sector to the disk, then 'W', or 'E' when the BIOS says that it failed
 * Relies on: ICH9's power management base at 0x600; SeaBIOS leaves the timer running, so that a halted CPU looks around 18 times a second.
 */
	.code16
	.text
	.globl	_start
	.set	COM1, 0x3f8
_start:
	ljmp	$0, $main
main:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movb	$0xff, %al		/* the button's interrupt (9) stays masked: its status bit is polled */
	outb	%al, $0xa1
	movw	$0x600, %dx
	movw	$0x100, %ax
	outw	%ax, %dx
	movw	$0x602, %dx
	outw	%ax, %dx
	movw	$0x604, %dx
	movw	$1, %ax
	outw	%ax, %dx
	sti
	movw	$ready, %si
	call	print
loop:
	movw	$0x600, %dx
	inw	%dx, %ax
	testb	$1, %ah
	jnz	button
	movw	$COM1 + 5, %dx
	inb	%dx, %al
	testb	$1, %al
	jnz	character
	hlt
	jmp	loop
button:
	testb	$1, ignore
	jz	poweroff
	movw	$0x100, %ax
	outw	%ax, %dx
	jmp	loop
poweroff:
	movw	$0x604, %dx
	movw	$0x2000, %ax
	outw	%ax, %dx
	jmp	loop
character:
	movw	$COM1, %dx
	inb	%dx, %al
	cmpb	$'i', %al
	je	ignoring
	cmpb	$'r', %al
	je	reset
	cmpb	$'p', %al
	je	panic
	cmpb	$'f', %al
	je	flood
	cmpb	$'w', %al
	je	disk
	cmpb	$'q', %al
	je	poweroff
echo:
	call	put
	jmp	loop
disk:
	xorw	%bx, %bx
	movw	%bx, %es
	movb	$0x7c, %bh		/* what is written: this sector */
	movw	$0x0301, %ax		/* one sector, to cylinder 0, head 0, sector 50 */
	movw	$50, %cx
	movw	$0x80, %dx
	int	$0x13
	movb	$'W', %al
	jnc	echo
	movb	$'E', %al
	jmp	echo
ignoring:
	movb	$1, ignore
	jmp	echo
reset:
	movw	$0xcf9, %dx
	movb	$6, %al
	outb	%al, %dx
	hlt
panic:
	movw	$0x505, %dx
	movb	$1, %al
	outb	%al, %dx
	jmp	loop
flood:
	movw	$160, %cx
1:
	pushw	%cx
	xorw	%cx, %cx
2:
	movb	%cl, %al
	andb	$0x3f, %al
	addb	$'!', %al
	testb	$0x3f, %cl
	jnz	3f
	movb	$'\n', %al
3:
	call	put
	decw	%cx
	jnz	2b
	popw	%cx
	decw	%cx
	jnz	1b
	movw	$flooded, %si
	call	print
	jmp	loop
print:
	lodsb
	testb	%al, %al
	jz	1f
	call	put
	jmp	print
1:
	ret
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
ready:
	.asciz	"READY\r\n"
flooded:
	.asciz	"\r\nFLOODED\r\n"
ignore:
	.byte	0
	.org	510
	.word	0xaa55
