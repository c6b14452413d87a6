//go:build arm64

#include "textflag.h"

// The NEON kernels over codes, written by hand: avo writes for amd64 only.
// They take one row after the other. "At" forms find the rows at addresses and
// prefetch, beside each line of one, the same line of the next; "Rows" forms
// find them one after the other. What the Go assembler has no names for is
// spelled in the words that the Arm Architecture Reference Manual gives; the
// arguments are numbers of vector registers: second source, first source,
// destination.

#define UDOT(m, n, d)     WORD $(0x6E809400 | (m)<<16 | (n)<<5 | (d)) // .4S += .16B · .16B, in fours
#define UABD(m, n, d)     WORD $(0x6E207400 | (m)<<16 | (n)<<5 | (d)) // .16B = |.16B − .16B|
#define UMULL(m, n, d)    WORD $(0x2E20C000 | (m)<<16 | (n)<<5 | (d)) // .8H = lower .8B · lower .8B
#define UMULL2(m, n, d)   WORD $(0x6E20C000 | (m)<<16 | (n)<<5 | (d)) // .8H = upper .8B · upper .8B
#define UADALPB(n, d)     WORD $(0x6E206800 | (n)<<5 | (d))           // .8H += pairs of .16B
#define UADALPH(n, d)     WORD $(0x6E606800 | (n)<<5 | (d))           // .4S += pairs of .8H

// PRODUCTS adds the products of the bytes of registers m and n to the lanes of
// d; t0 and t1 are spoiled. In NEON proper it takes four instructions.
#define PRODUCTSDOT(m, n, d, t0, t1) UDOT(m, n, d)
#define PRODUCTSNEON(m, n, d, t0, t1) UMULL(m, n, t0); UMULL2(m, n, t1); UADALPH(t0, d); UADALPH(t1, d)

// LINE loads a line of the query and one of the row, into V0–V3 and V4–V7.
#define LINE \
	VLD1.P 64(R6), [V0.B16, V1.B16, V2.B16, V3.B16]; \
	VLD1.P 64(R5), [V4.B16, V5.B16, V6.B16, V7.B16]

#define CLEAR \
	VEOR V16.B16, V16.B16, V16.B16; \
	VEOR V17.B16, V17.B16, V17.B16; \
	VEOR V18.B16, V18.B16, V18.B16; \
	VEOR V19.B16, V19.B16, V19.B16

// STORE adds the four accumulators up and stores the sum.
#define STORE \
	VADD V17.S4, V16.S4, V16.S4; \
	VADD V19.S4, V18.S4, V18.S4; \
	VADD V18.S4, V16.S4, V16.S4; \
	VADDV V16.S4, V20; \
	FMOVS F20, (R4); \
	ADD $4, R4

#define DOTLINE(P) \
	P(0, 4, 16, 20, 21); P(1, 5, 17, 22, 23); P(2, 6, 18, 24, 25); P(3, 7, 19, 26, 27)

#define SQUARELINE(P) \
	UABD(0, 4, 0); UABD(1, 5, 1); UABD(2, 6, 2); UABD(3, 7, 3); \
	P(0, 0, 16, 20, 21); P(1, 1, 17, 22, 23); P(2, 2, 18, 24, 25); P(3, 3, 19, 26, 27)

// NEXT takes the address of a row into R5 and that of the one after it, or the
// same if there is none, into R8.
#define NEXT(single) \
	MOVD.P 8(R1), R5; \
	MOVD R5, R8; \
	CMP $1, R2; \
	BEQ single; \
	MOVD (R1), R8

#define ATFORM(OP, P) \
	MOVD q+0(FP), R0; \
	MOVD at+8(FP), R1; \
	MOVD rows+16(FP), R2; \
	MOVD n+24(FP), R3; \
	MOVD out+32(FP), R4; \
row: \
	NEXT(begin); \
begin: \
	MOVD R0, R6; \
	MOVD R3, R7; \
	CLEAR; \
line: \
	PRFM (R8), PLDL1KEEP; \
	ADD $64, R8; \
	LINE; \
	OP(P); \
	SUBS $64, R7; \
	BNE line; \
	STORE; \
	SUBS $1, R2; \
	BNE row; \
	RET

#define ROWSFORM(OP, P) \
	MOVD q+0(FP), R0; \
	MOVD base+8(FP), R5; \
	MOVD rows+16(FP), R2; \
	MOVD n+24(FP), R3; \
	MOVD out+32(FP), R4; \
row: \
	MOVD R0, R6; \
	MOVD R3, R7; \
	CLEAR; \
line: \
	LINE; \
	OP(P); \
	SUBS $64, R7; \
	BNE line; \
	STORE; \
	SUBS $1, R2; \
	BNE row; \
	RET

// func u7DotAtDot(q *byte, at **byte, rows, n int, out *int32)
TEXT ·u7DotAtDot(SB), NOSPLIT, $0-40
	ATFORM(DOTLINE, PRODUCTSDOT)

// func u7DotRowsDot(q, base *byte, rows, n int, out *int32)
TEXT ·u7DotRowsDot(SB), NOSPLIT, $0-40
	ROWSFORM(DOTLINE, PRODUCTSDOT)

// func u7SquaredEuclideanAtDot(q *byte, at **byte, rows, n int, out *int32)
TEXT ·u7SquaredEuclideanAtDot(SB), NOSPLIT, $0-40
	ATFORM(SQUARELINE, PRODUCTSDOT)

// func u7SquaredEuclideanRowsDot(q, base *byte, rows, n int, out *int32)
TEXT ·u7SquaredEuclideanRowsDot(SB), NOSPLIT, $0-40
	ROWSFORM(SQUARELINE, PRODUCTSDOT)

// func u7DotAtNEON(q *byte, at **byte, rows, n int, out *int32)
TEXT ·u7DotAtNEON(SB), NOSPLIT, $0-40
	ATFORM(DOTLINE, PRODUCTSNEON)

// func u7DotRowsNEON(q, base *byte, rows, n int, out *int32)
TEXT ·u7DotRowsNEON(SB), NOSPLIT, $0-40
	ROWSFORM(DOTLINE, PRODUCTSNEON)

// func u7SquaredEuclideanAtNEON(q *byte, at **byte, rows, n int, out *int32)
TEXT ·u7SquaredEuclideanAtNEON(SB), NOSPLIT, $0-40
	ATFORM(SQUARELINE, PRODUCTSNEON)

// func u7SquaredEuclideanRowsNEON(q, base *byte, rows, n int, out *int32)
TEXT ·u7SquaredEuclideanRowsNEON(SB), NOSPLIT, $0-40
	ROWSFORM(SQUARELINE, PRODUCTSNEON)

// HAMMINGROW counts the bits in which the row at R5 differs from the query.
// Lanes of 16 bits hold what 64 words give. R5 ends where the row does.
#define HAMMINGROW \
	MOVD R0, R6; \
	MOVD R3, R7; \
	VEOR V16.B16, V16.B16, V16.B16; \
	CMP $16, R7; \
	BLT half; \
pair: \
	VLD1.P 16(R6), [V0.B16]; \
	VLD1.P 16(R5), [V4.B16]; \
	VEOR V0.B16, V4.B16, V4.B16; \
	VCNT V4.B16, V4.B16; \
	UADALPB(4, 16); \
	SUB $16, R7; \
	CMP $16, R7; \
	BGE pair; \
half: \
	CBZ R7, count; \
	VLD1.P 8(R6), [V0.B8]; \
	VLD1.P 8(R5), [V4.B8]; \
	VEOR V0.B16, V4.B16, V4.B16; \
	VCNT V4.B16, V4.B16; \
	UADALPB(4, 16); \
count: \
	VUADDLV V16.H8, V20; \
	FMOVS F20, (R4); \
	ADD $4, R4

// func hammingAtNEON(q *byte, at **byte, rows, n int, out *int32)
TEXT ·hammingAtNEON(SB), NOSPLIT, $0-40
	MOVD q+0(FP), R0
	MOVD at+8(FP), R1
	MOVD rows+16(FP), R2
	MOVD n+24(FP), R3
	MOVD out+32(FP), R4
row:
	NEXT(begin)
begin:
	PRFM (R8), PLDL1KEEP
	HAMMINGROW
	SUBS $1, R2
	BNE row
	RET

// func hammingRowsNEON(q, base *byte, rows, n int, out *int32)
TEXT ·hammingRowsNEON(SB), NOSPLIT, $0-40
	MOVD q+0(FP), R0
	MOVD base+8(FP), R5
	MOVD rows+16(FP), R2
	MOVD n+24(FP), R3
	MOVD out+32(FP), R4
row:
	HAMMINGROW
	SUBS $1, R2
	BNE row
	RET

// PLANE counts, in accumulator d, the bits that register m and the row in V4
// have in common.
#define PLANE(m, t, d) \
	VAND m.B16, V4.B16, t.B16; \
	VCNT t.B16, t.B16

// PLANESROW weighs the counts of the four planes, of which the sign's counts −8.
#define PLANESROW \
	MOVD R0, R6; \
	ADD R3, R0, R9; \
	ADD R3, R9, R10; \
	ADD R3, R10, R11; \
	MOVD R3, R7; \
	CLEAR; \
	CMP $16, R7; \
	BLT half; \
pair: \
	VLD1.P 16(R5), [V4.B16]; \
	VLD1.P 16(R6), [V0.B16]; \
	VLD1.P 16(R9), [V1.B16]; \
	VLD1.P 16(R10), [V2.B16]; \
	VLD1.P 16(R11), [V3.B16]; \
	PLANE(V0, V20, V16); PLANE(V1, V21, V17); PLANE(V2, V22, V18); PLANE(V3, V23, V19); \
	UADALPB(20, 16); UADALPB(21, 17); UADALPB(22, 18); UADALPB(23, 19); \
	SUB $16, R7; \
	CMP $16, R7; \
	BGE pair; \
half: \
	CBZ R7, count; \
	VLD1.P 8(R5), [V4.B8]; \
	VLD1.P 8(R6), [V0.B8]; \
	VLD1.P 8(R9), [V1.B8]; \
	VLD1.P 8(R10), [V2.B8]; \
	VLD1.P 8(R11), [V3.B8]; \
	PLANE(V0, V20, V16); PLANE(V1, V21, V17); PLANE(V2, V22, V18); PLANE(V3, V23, V19); \
	UADALPB(20, 16); UADALPB(21, 17); UADALPB(22, 18); UADALPB(23, 19); \
count: \
	VUADDLV V16.H8, V20; \
	VUADDLV V17.H8, V21; \
	VUADDLV V18.H8, V22; \
	VUADDLV V19.H8, V23; \
	FMOVS F20, R12; \
	FMOVS F21, R13; \
	FMOVS F22, R14; \
	FMOVS F23, R15; \
	ADD R13<<1, R12, R12; \
	ADD R14<<2, R12, R12; \
	SUB R15<<3, R12, R12; \
	MOVW R12, (R4); \
	ADD $4, R4

// func planesAtNEON(q *byte, at **byte, rows, n int, out *int32)
TEXT ·planesAtNEON(SB), NOSPLIT, $0-40
	MOVD q+0(FP), R0
	MOVD at+8(FP), R1
	MOVD rows+16(FP), R2
	MOVD n+24(FP), R3
	MOVD out+32(FP), R4
row:
	NEXT(begin)
begin:
	PRFM (R8), PLDL1KEEP
	PLANESROW
	SUBS $1, R2
	BNE row
	RET

// func planesRowsNEON(q, base *byte, rows, n int, out *int32)
TEXT ·planesRowsNEON(SB), NOSPLIT, $0-40
	MOVD q+0(FP), R0
	MOVD base+8(FP), R5
	MOVD rows+16(FP), R2
	MOVD n+24(FP), R3
	MOVD out+32(FP), R4
row:
	PLANESROW
	SUBS $1, R2
	BNE row
	RET
