#!/usr/bin/env bash
# Register tiles stay in registers: in all three passes of LeNet and ResNet-18 with AVX-512, of LeNet and slim VGG-11 with AVX2, nothing in the inner loops of
# contractions goes to the stack.
source "$(dirname "$0")/lib.sh"

look() { # LEVEL NAME LEAST [OPTION...]: how many such loops there must be at least
    expect 0 "$NETC" "-march=x86-64-$1" "${@:4}" --emit=asm="$2.s" "$root/examples/$2.net"
    awk -v least="$3" -f "$tests/e2e/inner_loops.awk" "$2.s" || fail "$2, $1: inner loops with stack traffic, or too few of them"
}
look v3 lenet 10
look v3 vgg11 50 # Winograd's products: twelve sums, three vectors and a number for all of sixteen registers
look v4 lenet 20
look v4 resnet18 150 -fno-winograd # direct sums of all kinds, with steps and without
look v4 resnet18 85

# What transforms spill lies within lines: the stack is aligned for vectors.
spills='vmov[au]ps[[:space:]].*(%zmm[0-9]+, *-?[0-9]*\(%r[sb]p\)|\(%r[sb]p\), *%zmm)'
(($(grep -Ec "$spills" resnet18.s) >= 100)) || fail "no spills to look at"
! grep -E "$spills" resnet18.s | grep -q vmovups || fail "vectors are spilled across lines"

# Squares are turned by shuffles: a number at a time, no kernel of weights would use two vectors' numbers in one instruction.
turned=$(awk '/^resnet18[.].*backward_weights.*:$/ { inside = 1 } /^\.Lfunc_end/ { inside = 0 } inside && /vpermt2ps|vunpck|vshuf|vblendm|vinsertf64x4/' resnet18.s | wc -l)
((turned >= 400)) || fail "$turned shuffles in kernels of weights: squares are not turned in registers"

# A loop that spills is seen: a store to the stack in every run of six multiply-adds, of which only register tiles have so many.
awk '{ run = /vfmadd/ ? run + 1 : 0 } run == 6 { print "\tvmovups\t%zmm0, 64(%rsp)"; planted++ } { print } END { exit !planted }' lenet.s >spilled.s || fail "no run of multiply-adds"
! awk -v least=20 -f "$tests/e2e/inner_loops.awk" spilled.s || fail "a spill was not seen"
