# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A whole guest in two sectors: counts, keeps the count in memory and on all of its disks, and tells the
# serial line. It starts in less than a second under emulation and idles between its steps.
#
# At every timer tick (18 a second) it raises the counter and then, on each hard disk:
#   - reads the slot that this count belongs to: sector AREA + count mod SLOTS. It must hold the count of
#     SLOTS steps ago in its first and last four bytes, else the disk is not of the same instant as the
#     memory: it prints "bad".
#   - fills the slot with the count.
# Then it prints "token=XXXXXXXX count=N". The token (hexadecimal) is taken from the time stamp counter at
# boot, so that a guest whose memory was brought back can be told from one that was booted again. At boot
# it prints "boot". A failed disk access prints "ioerror".
#
# Nothing is written outside the sectors [AREA, AREA + SLOTS). tests/lib/vbtest/oracle.py reads them.
#
# The BIOS polls while it waits for a disk, which costs the host some milliseconds of processor an access.
# So where all hard disks are legacy virtio-blk devices (virtio 1.x, "Legacy Interface") the guest has its
# own driver, which halts until the interrupt; each disk has one queue with one request.

	.set	AREA, 64
	.set	SLOTS, 16
	.set	BIOS_HARD_DISKS, 0x475	# the BIOS keeps their number here
	.set	BIOS_TICKS, 0x46c
	.set	SERIAL, 0x3f8
	.set	DISKS_MAX, 8

	# Variables lie in another page than the code: emulation checks each write to a page that has code.
	.set	STACK, 0x7000		# it grows downwards
	.set	counter, 0x8000
	.set	token, 0x8004
	.set	disks, 0x8008		# word: how many virtio disks
	.set	ports, 0x8010		# word of each: its first port
	.set	packet, 0x8040

	# Disk number i has the segment 0x1000 * (i + 1). In there, for a queue of at least 256, where the
	# descriptors fill whole pages, and at most 1024; both rings lie behind them, a page each or more:
	.set	QUEUE_SIZE_MIN, 256
	.set	QUEUE_SIZE_MAX, 1024
	.set	DESCRIPTORS, 0
	.set	DESCRIPTOR_SHIFT, 4	# each has 16 bytes
	.set	TO_USED, 0x1000		# from the ring of what is available
	.set	REQUEST, 0x8000		# its head: type, zero, sector
	.set	STATUS, 0x8010
	.set	AVAILABLE, 0x8020	# word: where that ring begins
	.set	BUFFER, 0x8200		# 512 bytes
	.set	SEGMENT_END, 0x8400

	# Ports of a legacy virtio device.
	.set	GUEST_FEATURES, 4
	.set	QUEUE_ADDRESS, 8
	.set	QUEUE_NUMBER, 12
	.set	QUEUE_SELECT, 14
	.set	QUEUE_NOTIFY, 16
	.set	DEVICE_STATUS, 18
	.set	INTERRUPT_STATUS, 19
	.set	FEATURE_FLUSH, 1 << 9	# without it the device flushes each write

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
	mov	sp, STACK
	cld
	sti
	mov	ax, 0x0201		# read the second sector
	mov	cx, 0x0002
	mov	dh, 0
	mov	bx, 0x7e00
	int	0x13
	mov	di, counter
	mov	cx, 256
	xor	ax, ax
	rep stosw
	rdtsc
	mov	dword ptr [token], eax
	mov	si, offset text_boot
	call	print
	call	find_disks

step:
	mov	eax, dword ptr [BIOS_TICKS]
1:	hlt
	cmp	dword ptr [BIOS_TICKS], eax
	je	1b
	inc	dword ptr [counter]
	mov	dl, 0x80
disk:
	mov	ah, dl
	sub	ah, 0x7f
	shl	ah, 4
	mov	al, 0
	mov	es, ax			# this disk's segment
	mov	ah, 0x42
	call	access
	mov	eax, dword ptr [counter]
	sub	eax, SLOTS
	jbe	write			# the first round finds nothing of this run
	cmp	dword ptr es:[BUFFER], eax
	jne	bad
	cmp	dword ptr es:[BUFFER + 508], eax
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

# Read (ah = 0x42) or write (0x43) the slot of this count on disk dl, whose segment is in es. Keeps dl.
access:
	mov	ebx, dword ptr [counter]
	and	ebx, SLOTS - 1
	add	ebx, AREA
	cmp	word ptr [disks], 0
	jne	virtio_access
	mov	dword ptr [packet], 0x00010010	# one sector; this packet has 16 bytes
	mov	word ptr [packet + 4], BUFFER
	mov	word ptr [packet + 6], es
	mov	dword ptr [packet + 8], ebx
	mov	si, offset packet
	xor	al, al
	push	dx
	int	0x13
	pop	dx
	jnc	1f
error:
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

	.org	510
	.word	0xaa55

# The second sector.

# Makes ready all legacy virtio disks if the BIOS knows no others; else [disks] stays 0.
find_disks:
	xor	si, si
next_device:
	mov	ax, 0xb102		# PCI BIOS: find the device number si of this kind
	mov	cx, 0x1001
	mov	dx, 0x1af4
	int	0x1a
	jc	all_found
	mov	ax, 0xb10a		# and read its first address
	mov	di, 0x10
	int	0x1a
	and	cl, 0xfc
	mov	di, si
	add	di, di
	mov	word ptr [ports + di], cx
	inc	si
	cmp	si, DISKS_MAX
	jb	next_device
all_found:
	mov	ax, si
	cmp	al, byte ptr [BIOS_HARD_DISKS]
	je	own_driver
	ret
own_driver:
	mov	word ptr [disks], ax

	# PCI interrupts arrive as 10 and 11.
	mov	eax, offset interrupt
	mov	dword ptr [0x72 * 4], eax
	mov	dword ptr [0x73 * 4], eax
	in	al, 0xa1
	and	al, 0xf3
	out	0xa1, al
	in	al, 0x21
	and	al, 0xfb
	out	0x21, al

	xor	si, si
ready:
	mov	ax, si
	inc	ax
	shl	ax, 12
	mov	es, ax
	xor	di, di
	mov	cx, SEGMENT_END / 2
	xor	ax, ax
	rep stosw
	movzx	ebx, si
	inc	bx
	shl	ebx, 16			# the segment as an address
	# Descriptors of head, data and status. The flags of the data are set by each access.
	lea	eax, [ebx + REQUEST]
	mov	dword ptr es:[DESCRIPTORS], eax
	mov	byte ptr es:[DESCRIPTORS + 8], 16
	mov	dword ptr es:[DESCRIPTORS + 12], 0x00010001
	lea	eax, [ebx + BUFFER]
	mov	dword ptr es:[DESCRIPTORS + 16], eax
	mov	word ptr es:[DESCRIPTORS + 16 + 8], 512
	mov	byte ptr es:[DESCRIPTORS + 16 + 14], 2
	lea	eax, [ebx + STATUS]
	mov	dword ptr es:[DESCRIPTORS + 32], eax
	mov	byte ptr es:[DESCRIPTORS + 32 + 8], 1
	mov	byte ptr es:[DESCRIPTORS + 32 + 12], 2

	mov	di, si
	add	di, di
	mov	bp, word ptr [ports + di]
	lea	dx, [bp + DEVICE_STATUS]
	mov	al, 0			# reset
	out	dx, al
	mov	al, 3			# acknowledged, and driven
	out	dx, al
	lea	dx, [bp + GUEST_FEATURES]
	mov	eax, FEATURE_FLUSH
	out	dx, eax
	lea	dx, [bp + QUEUE_SELECT]
	xor	ax, ax
	out	dx, ax
	lea	dx, [bp + QUEUE_NUMBER]
	in	ax, dx
	cmp	ax, QUEUE_SIZE_MIN
	jb	error
	cmp	ax, QUEUE_SIZE_MAX
	ja	error
	shl	ax, DESCRIPTOR_SHIFT
	mov	word ptr es:[AVAILABLE], ax
	lea	dx, [bp + QUEUE_ADDRESS]
	mov	eax, ebx
	shr	eax, 12
	out	dx, eax
	lea	dx, [bp + DEVICE_STATUS]
	mov	al, 7			# ready
	out	dx, al
	inc	si
	cmp	si, word ptr [disks]
	jb	ready
	ret

# access() of a virtio disk: the slot is in ebx.
virtio_access:
	mov	dword ptr es:[REQUEST + 8], ebx
	mov	al, ah
	and	ax, 1
	mov	byte ptr es:[REQUEST], al
	xor	al, 1			# the device writes what the guest reads
	shl	al, 1
	inc	ax			# and another descriptor follows
	mov	byte ptr es:[DESCRIPTORS + 16 + 12], al
	mov	byte ptr es:[STATUS], 0xff
	mov	di, word ptr es:[AVAILABLE]
	inc	word ptr es:[di + 2]
	push	dx
	movzx	bx, dl
	add	bl, bl			# twice 0x80 is 0
	mov	dx, word ptr [ports + bx]
	add	dx, QUEUE_NOTIFY
	xor	ax, ax
	out	dx, ax
	pop	dx
1:	cli
	mov	ax, word ptr es:[di + 2]
	cmp	ax, word ptr es:[di + TO_USED + 2]
	je	2f
	sti				# takes effect after the next instruction
	hlt
	jmp	1b
2:	sti
	cmp	byte ptr es:[STATUS], 0
	jne	error
	ret

# Lets go of the interrupt of each disk: reading its status does that.
interrupt:
	push	ax
	push	dx
	push	si
	push	ds
	xor	si, si
	mov	ds, si
	mov	ax, word ptr [disks]
	add	ax, ax
	push	ax
1:	mov	dx, word ptr [ports + si]
	add	dx, INTERRUPT_STATUS
	in	al, dx
	inc	si
	inc	si
	pop	ax
	push	ax
	cmp	si, ax
	jb	1b
	pop	ax
	mov	al, 0x20		# end of interrupt
	out	0xa0, al
	out	0x20, al
	pop	ds
	pop	si
	pop	dx
	pop	ax
	iret

	.org	1024
