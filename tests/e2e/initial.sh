#!/usr/bin/env bash
# Initial weights come from PyTorch's distributions: every `init`, for plain, grouped and depthwise convolutions and linear layers.
source "$(dirname "$0")/lib.sh"

cat >initial.net <<'END'
network initial(12, 13, 12) -> 10 {
    conv(48, 5) -> relu; conv(96, (3, 2), groups=4) -> relu; conv(96, 3, groups=96) -> relu
    global_avg_pool -> linear(200) -> relu; linear(10)
}
train { batch = 8 }
END
for init in xavier_uniform xavier_normal kaiming_uniform kaiming_normal torch_default; do
    echo "== $init"
    expect 0 "$NETC" -D "train.init=$init" initial.net -o trainer
    expect 0 ./trainer train --quiet --lr 0 --max-steps 1 --limit 8 --limit-test 8 --seed 3 --out "$init"
    "$TOOLS/compare_initial" "$init/last.safetensors" "$tests/data/initial.txt" "$init" || fail "$init"
done
if "$TOOLS/compare_initial" torch_default/last.safetensors "$tests/data/initial.txt" xavier_uniform >/dev/null; then fail "any distribution is taken for any"; fi
