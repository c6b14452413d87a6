//go:build arm64

#include "textflag.h"

// The float32 kernels and the encoders in NEON. See codes_arm64.s for how the
// instructions that the assembler has no names for are written.

#define FADD(m, n, d)   WORD $(0x4E20D400 | (m)<<16 | (n)<<5 | (d)) // .4S
#define FSUB(m, n, d)   WORD $(0x4EA0D400 | (m)<<16 | (n)<<5 | (d)) // .4S = n − m
#define FMUL(m, n, d)   WORD $(0x6E20DC00 | (m)<<16 | (n)<<5 | (d)) // .4S
#define FADDP(m, n, d)  WORD $(0x6E20D400 | (m)<<16 | (n)<<5 | (d)) // .4S = pairs of n, pairs of m
#define FMAXNM(m, n, d) WORD $(0x4E20C400 | (m)<<16 | (n)<<5 | (d)) // .4S, a number rather than NaN
#define FMINNM(m, n, d) WORD $(0x4EA0C400 | (m)<<16 | (n)<<5 | (d)) // .4S
#define FCMGT(m, n, d)  WORD $(0x6EA0E400 | (m)<<16 | (n)<<5 | (d)) // .4S = ones where n > m
#define FABS(n, d)      WORD $(0x4EA0F800 | (n)<<5 | (d))           // .4S
#define FCVTNS(n, d)    WORD $(0x4E21A800 | (n)<<5 | (d))           // .4S to int32, ties to even
#define XTNH(n, d)      WORD $(0x0E612800 | (n)<<5 | (d))           // lower .4H = .4S, cut
#define XTN2H(n, d)     WORD $(0x4E612800 | (n)<<5 | (d))           // upper .4H
#define XTNB(n, d)      WORD $(0x0E212800 | (n)<<5 | (d))           // lower .8B = .8H, cut
#define XTN2B(n, d)     WORD $(0x4E212800 | (n)<<5 | (d))           // upper .8B
#define ADDPB(m, n, d)  WORD $(0x4E20BC00 | (m)<<16 | (n)<<5 | (d)) // .16B = pairs of n, pairs of m

#define CLEAR \
	VEOR V16.B16, V16.B16, V16.B16; \
	VEOR V17.B16, V17.B16, V17.B16; \
	VEOR V18.B16, V18.B16, V18.B16; \
	VEOR V19.B16, V19.B16, V19.B16

// PAIR sums over two vectors of n floats: sixteen at a time, then four, then
// one, the rest of a register being zero.
#define PAIR(STEP16, STEP) \
	MOVD a+0(FP), R0; \
	MOVD b+8(FP), R1; \
	MOVD n+16(FP), R2; \
	CLEAR; \
	CMP $16, R2; \
	BLT fours; \
sixteen: \
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]; \
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]; \
	STEP16; \
	SUB $16, R2; \
	CMP $16, R2; \
	BGE sixteen; \
fours: \
	CMP $4, R2; \
	BLT ones; \
four: \
	VLD1.P 16(R0), [V0.S4]; \
	VLD1.P 16(R1), [V4.S4]; \
	STEP; \
	SUB $4, R2; \
	CMP $4, R2; \
	BGE four; \
ones: \
	CBZ R2, sum; \
one: \
	FMOVS.P 4(R0), F0; \
	FMOVS.P 4(R1), F4; \
	STEP; \
	SUBS $1, R2; \
	BNE one; \
sum: \
	FADDP(17, 16, 16); \
	FADDP(19, 18, 18); \
	FADDP(18, 16, 16); \
	FADDP(16, 16, 16); \
	FADDP(16, 16, 16); \
	FMOVS F16, ret+24(FP); \
	RET

#define DOT1 VFMLA V0.S4, V4.S4, V16.S4
#define DOT4 \
	VFMLA V0.S4, V4.S4, V16.S4; \
	VFMLA V1.S4, V5.S4, V17.S4; \
	VFMLA V2.S4, V6.S4, V18.S4; \
	VFMLA V3.S4, V7.S4, V19.S4

#define SQUARE1 \
	FSUB(4, 0, 0); \
	VFMLA V0.S4, V0.S4, V16.S4
#define SQUARE4 \
	FSUB(4, 0, 0); FSUB(5, 1, 1); FSUB(6, 2, 2); FSUB(7, 3, 3); \
	VFMLA V0.S4, V0.S4, V16.S4; \
	VFMLA V1.S4, V1.S4, V17.S4; \
	VFMLA V2.S4, V2.S4, V18.S4; \
	VFMLA V3.S4, V3.S4, V19.S4

// func dotNEON(a, b *float32, n int) float32
TEXT ·dotNEON(SB), NOSPLIT, $0-28
	PAIR(DOT4, DOT1)

// func squaredEuclideanNEON(a, b *float32, n int) float32
TEXT ·squaredEuclideanNEON(SB), NOSPLIT, $0-28
	PAIR(SQUARE4, SQUARE1)

// SCALED is factor·v, for sixteen components, in V0–V3, and the mean in V4–V7.
#define SCALED \
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]; \
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]; \
	FMUL(24, 0, 0); FMUL(24, 1, 1); FMUL(24, 2, 2); FMUL(24, 3, 3)

#define CENTRED \
	SCALED; \
	FSUB(4, 0, 0); FSUB(5, 1, 1); FSUB(6, 2, 2); FSUB(7, 3, 3)

// BYTES cuts the sixteen lanes of V0–V3 to bytes, in V4.
#define BYTES \
	XTNH(0, 4); XTN2H(1, 4); \
	XTNH(2, 5); XTN2H(3, 5); \
	XTNB(4, 4); XTN2B(5, 4)

// CODE makes the int32 code of a register: V25 is the inverse of the scale,
// V26 and V27 are the ends, V28 the middle.
#define CODE(r, V) \
	FMUL(25, r, r); \
	FMAXNM(26, r, r); \
	FMINNM(27, r, r); \
	FCVTNS(r, r); \
	VADD V28.S4, V.S4, V.S4

// func encodeU7NEON(v, mean *float32, factor, inverse float32, dst *byte, n int) int32
TEXT ·encodeU7NEON(SB), NOSPLIT, $0-44
	MOVD v+0(FP), R0
	MOVD mean+8(FP), R1
	MOVW factor+16(FP), R5
	VDUP R5, V24.S4
	MOVW inverse+20(FP), R5
	VDUP R5, V25.S4
	MOVD dst+24(FP), R3
	MOVD n+32(FP), R2
	MOVD $0xc27c0000, R5 // −63
	VDUP R5, V26.S4
	MOVD $0x427c0000, R5 // 63
	VDUP R5, V27.S4
	MOVD $64, R5
	VDUP R5, V28.S4
	CLEAR
loop:
	CENTRED
	CODE(0, V0)
	CODE(1, V1)
	CODE(2, V2)
	CODE(3, V3)
	VADD V0.S4, V16.S4, V16.S4
	VADD V1.S4, V17.S4, V17.S4
	VADD V2.S4, V18.S4, V18.S4
	VADD V3.S4, V19.S4, V19.S4
	BYTES
	VST1.P [V4.B16], 16(R3)
	SUBS $16, R2
	BNE loop
	VADD V17.S4, V16.S4, V16.S4
	VADD V19.S4, V18.S4, V18.S4
	VADD V18.S4, V16.S4, V16.S4
	VADDV V16.S4, V20
	FMOVS F20, ret+40(FP)
	RET

// func encodeSignsNEON(v, mean *float32, factor float32, dst *byte, n int)
TEXT ·encodeSignsNEON(SB), NOSPLIT, $0-40
	MOVD v+0(FP), R0
	MOVD mean+8(FP), R1
	MOVW factor+16(FP), R5
	VDUP R5, V24.S4
	MOVD dst+24(FP), R3
	MOVD n+32(FP), R2
	MOVD $0x8040201008040201, R5 // a bit for each of eight bytes
	VDUP R5, V25.D2
loop:
	SCALED
	FCMGT(4, 0, 0); FCMGT(5, 1, 1); FCMGT(6, 2, 2); FCMGT(7, 3, 3)
	BYTES
	VAND V25.B16, V4.B16, V4.B16
	ADDPB(4, 4, 4)
	ADDPB(4, 4, 4)
	ADDPB(4, 4, 4)
	VMOV V4.H[0], R5
	MOVH R5, (R3)
	ADD $2, R3
	SUBS $16, R2
	BNE loop
	RET

// func centredMomentsNEON(v, mean *float32, factor float32, n int) (abs, squares float32)
TEXT ·centredMomentsNEON(SB), NOSPLIT, $0-40
	MOVD v+0(FP), R0
	MOVD mean+8(FP), R1
	MOVW factor+16(FP), R5
	VDUP R5, V24.S4
	MOVD n+24(FP), R2
	CLEAR
	VEOR V20.B16, V20.B16, V20.B16
	VEOR V21.B16, V21.B16, V21.B16
	VEOR V22.B16, V22.B16, V22.B16
	VEOR V23.B16, V23.B16, V23.B16
loop:
	CENTRED
	VFMLA V0.S4, V0.S4, V16.S4
	VFMLA V1.S4, V1.S4, V17.S4
	VFMLA V2.S4, V2.S4, V18.S4
	VFMLA V3.S4, V3.S4, V19.S4
	FABS(0, 0); FABS(1, 1); FABS(2, 2); FABS(3, 3)
	FADD(0, 20, 20); FADD(1, 21, 21); FADD(2, 22, 22); FADD(3, 23, 23)
	SUBS $16, R2
	BNE loop
	FADDP(17, 16, 16)
	FADDP(19, 18, 18)
	FADDP(18, 16, 16)
	FADDP(16, 16, 16)
	FADDP(16, 16, 16)
	FADDP(21, 20, 20)
	FADDP(23, 22, 22)
	FADDP(22, 20, 20)
	FADDP(20, 20, 20)
	FADDP(20, 20, 20)
	FMOVS F20, abs+32(FP)
	FMOVS F16, squares+36(FP)
	RET
