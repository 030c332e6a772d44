# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A whole guest in one boot sector: counts, keeps the count in memory and on all of its disks, and tells
# the serial line. It starts in less than a second under emulation and idles between its steps.
#
# At every timer tick (18 a second) it raises the counter and then, on each hard disk that the BIOS knows:
#   - reads the slot that this count belongs to: sector AREA + count mod SLOTS. It must hold the count of
#     SLOTS steps ago in its first and last four bytes, else the disk is not of the same instant as the
#     memory: it prints "bad".
#   - fills the slot with the count.
# Then it prints "token=XXXXXXXX count=N". The token (hexadecimal) is taken from the time stamp counter at
# boot, so that a guest whose memory was brought back can be told from one that was booted again. At boot
# it prints "boot". A failed disk access prints "ioerror".
#
# Nothing is written outside the sectors [AREA, AREA + SLOTS). tests/lib/vbtest/oracle.py reads them.

	.set	AREA, 64
	.set	SLOTS, 16
	.set	BUFFER, 0x7e00		# the 512 bytes behind this sector
	.set	BIOS_HARD_DISKS, 0x475	# the BIOS keeps their number here
	.set	SERIAL, 0x3f8

	.intel_syntax noprefix
	.code16
	.globl	_start
_start:
	.att_syntax
	ljmp	$0, $main
	.intel_syntax noprefix
main:
	xor	ax, ax
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	sp, 0x7c00
	cld
	sti
	rdtsc
	mov	dword ptr [token], eax
	mov	si, offset text_boot
	call	print

step:
	hlt
	inc	dword ptr [counter]
	mov	dl, 0x80
disk:
	mov	ah, 0x42
	call	access
	mov	eax, dword ptr [counter]
	sub	eax, SLOTS
	jbe	write			# the first round finds nothing of this run
	cmp	dword ptr [BUFFER], eax
	jne	bad
	cmp	dword ptr [BUFFER + 508], eax
	je	write
bad:
	mov	si, offset text_bad
	call	print
write:
	mov	eax, dword ptr [counter]
	mov	di, BUFFER
	mov	cx, 128
	rep stosd
	mov	ah, 0x43
	call	access
	inc	dx
	mov	al, byte ptr [BIOS_HARD_DISKS]
	add	al, 0x80
	cmp	dl, al
	jb	disk

	mov	si, offset text_token
	call	print
	mov	eax, dword ptr [token]
	call	print_hex
	mov	si, offset text_count
	call	print
	mov	eax, dword ptr [counter]
	call	print_decimal
	mov	si, offset text_end
	call	print
	jmp	step

# Read (ah = 0x42) or write (0x43) the slot of this count on disk dl. Keeps dl.
access:
	mov	ebx, dword ptr [counter]
	and	ebx, SLOTS - 1
	add	ebx, AREA
	mov	dword ptr [packet_sector], ebx
	mov	si, offset packet
	xor	al, al
	push	dx
	int	0x13
	pop	dx
	jnc	1f
	mov	si, offset text_error
	call	print
1:	ret

print_hex:
	mov	cx, 8
1:	rol	eax, 4
	push	eax
	and	al, 15
	cmp	al, 10
	jb	2f
	add	al, 'a' - '0' - 10
2:	add	al, '0'
	call	print_char
	pop	eax
	loop	1b
	ret

print_decimal:
	mov	ebx, 10
	xor	cx, cx
1:	xor	edx, edx
	div	ebx
	push	dx
	inc	cx
	test	eax, eax
	jnz	1b
2:	pop	ax
	add	al, '0'
	call	print_char
	loop	2b
	ret

# Print the text at si up to its final zero. Keeps dx.
print:
	lodsb
	test	al, al
	jz	1f
	call	print_char
	jmp	print
1:	ret

print_char:
	push	dx
	push	ax
	mov	dx, SERIAL + 5
1:	in	al, dx
	test	al, 0x20		# room in the transmitter
	jz	1b
	mov	dx, SERIAL
	pop	ax
	out	dx, al
	pop	dx
	ret

text_boot:	.asciz	"boot\n"
text_bad:	.asciz	"bad\n"
text_error:	.asciz	"ioerror\n"
text_token:	.asciz	"token="
text_count:	.asciz	" count="
text_end:	.asciz	"\n"

	.balign	4
counter:	.long	0
token:		.long	0
packet:		.byte	16, 0		# size of this packet
		.word	1		# one sector
		.word	BUFFER, 0	# offset, segment
packet_sector:	.long	0, 0

	.org	510
	.word	0xaa55
