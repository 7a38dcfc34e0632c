#!/usr/bin/env bash
# --emit=html: one page that is whole in itself, safe whatever names hold, and of a sensible size; in a real browser a line, a block, a node or a kernel that
# is chosen, by mouse or by keyboard, lights up what became of it in every pane. Measured times are shown where they are the program's own.
source "$(dirname "$0")/lib.sh"
synthetic=(-D 'train.data=synthetic()')

# has FILE TEXT: the file holds the text, as it stands.
has() { grep -Fq -- "$2" "$1" || fail "$1 lacks: $2"; }

echo "== the page has its name from the source, or the one that is asked for"
expect 0 "$NETC" "${synthetic[@]}" "$root/examples/lenet.net" --emit=html
[[ ! -s out.txt && -s lenet.html ]] || fail "lenet.html was not written, or something else was"
expect 0 "$NETC" "${synthetic[@]}" "$root/examples/lenet.net" --emit=html=-
same out.txt lenet.html
expect 0 "$NETC" "${synthetic[@]}" "$root/examples/lenet.net" --emit=html=a.html --emit=plan=a.plan --emit=llvm-ir=a.ll
same a.html lenet.html

echo "== all of it is in the page: no network, no other file"
has lenet.html '<!DOCTYPE html>'
if grep -Eio '(src|href|action)="[^"]*"|@import|url\([^)]*\)|https?://[^ "<]*|<(script|link|img|iframe)[^>]*>' lenet.html |
    grep -Ev '^(href="data:,"|url\(#head-[a-z-]*\)|<script>|<link rel="icon" href="data:,">)$'; then fail "the page refers to something outside"; fi

echo "== all text is there without the script"
has lenet.html 'conv(6, 5, pad=2) -&#62; sigmoid'
has lenet.html '<div id="tools" hidden>'
has lenet.html 'lenet.net -D train.data=synthetic() for '
for title in Source Graph Roofline Plan Loops 'LLVM IR' Assembly; do has lenet.html ">$title</h2>"; done
while read -r kernel _; do
    has lenet.html "<th scope=\"row\">$kernel</th>"
done < <(sed -n 's/^    //p' a.plan)
awk '/^define / { name = $0; sub(/.*@/, "", name); sub(/\(.*/, "", name) } /call .*\.and_alike\(/ { name = "" } /^}/ && name { print name }' a.ll >functions
(($(wc -l <functions) > 30)) || fail "only $(wc -l <functions) functions"
while read -r function; do has lenet.html "<span class=\"name\">$function</span>"; done <functions

echo "== names and texts may hold anything"
odd='a<b>&"c'"'"' é'
mkdir "$odd"
printf '# </style><script>alert(1)</script> &amp; "quotes" \303\251\n' >"$odd/x<y>.net"
printf 'block b() { relu }\r\nnetwork odd(1, 4, 4) -> 2 { flatten -> linear(2)\n    b }\ntrain { batch = 8; loss = squared_error; data = arrays(inputs="<i>&.npy", targets="t") }' >>"$odd/x<y>.net"
expect 0 "$NETC" "$odd/x<y>.net" --emit=html
mv 'x<y>.html' odd.html
has odd.html '# &#60;/style&#62;&#60;script&#62;alert(1)&#60;/script&#62; &#38;amp; &#34;quotes&#34; é'
has odd.html 'a&#60;b&#62;&#38;&#34;c&#39; é/x&#60;y&#62;.net'
[[ $(grep -c '<script' odd.html) == 1 ]] || fail "the source's text became a script"
grep -q 'data-l="1:3"' odd.html || fail "no code of the odd file knows its line"
printf '# \001 \377 \302\n' >>"$odd/x<y>.net"
code=0
"$NETC" "$odd/x<y>.net" --emit=html=bytes.html 2>/dev/null || code=$?
if ((code == 0)); then iconv -f UTF-8 -t UTF-8 bytes.html >/dev/null || fail "the page is not UTF-8"; fi

echo "== later forms make a page too, with what they know"
expect 0 "$NETC" "${synthetic[@]}" "$root/examples/lenet.net" --emit=graph=g.graph --emit=loops=l.loops
expect 0 "$NETC" g.graph --emit=html
has g.html 'The page was made from a later form'
has g.html 'data-o="conv1"'
expect 0 "$NETC" l.loops --emit=html
has l.html 'they do not tell of the graph'
has l.html '<th scope="row">conv1.forward</th>'
expect 0 "$NETC" -O0 -g0 "${synthetic[@]}" "$root/examples/lenet.net" --emit=html=plain.html
if grep -q '<b data-l' <(sed -n '/id="ir"/,$p' plain.html); then fail "code knows lines without -g"; fi

echo "== a kernel that does what two files ask for has lines of both"
printf '# not\n# here\nblock half() { conv(8, 3, pad=1) }\n' >half.net
printf 'import "half.net"\n\n\n\nnetwork two(1, 64, 64) -> 2 {\n    half -> relu\n    max_pool(2)\n    flatten -> linear(2)\n}\n' >two.net
expect 0 "$NETC" two.net --emit=html
for pane in loops=half1.conv1.forward ir=two.half1.conv1.forward assembly=two.half1.conv1.forward; do # a pane and a section in it
    awk -v id="id=\"${pane%=*}\"" -v name="<span class=\"name\">${pane#*=}</span>" 'index($0, id) { in_pane = 1 } in_pane && index($0, name) { in_section = 1 }
        in_section { print } in_section && /<\/details>/ { exit }' two.html >section
    marks=$(grep -o 'data-l="[^"]*"' section | sort -u | tr '\n' ' ')
    [[ $marks == 'data-l="1:6" data-l="1:7" data-l="2:3" ' ]] || fail "${pane%=*}: the marks of $(wc -l <section) lines are $marks"
done

echo "== what was measured"
expect 0 "$NETC" "${synthetic[@]}" "$root/examples/lenet.net" -o lenet
expect 0 ./lenet time --json --steps 3
cp out.txt time.json
expect 0 "$NETC" "${synthetic[@]}" "$root/examples/lenet.net" --emit=html=timed.html --timing=time.json
ms=$(sed 's/.*"name":"conv1\.forward","layer":[^}]*"pass":"forward","ms":\([^,]*\),.*/\1/' time.json)
row=$(grep -F '<th scope="row">conv1.forward</th>' timed.html)
shown=$(awk -v ms="$ms" 'BEGIN { printf "%.4f", ms }') # in double precision, as the page: bash's long double rounds some halves the other way
[[ $row == *"<td class=\"num\">$shown</td>"* ]] || fail "conv1.forward took $ms ms, the page says: $row"
has timed.html 'measured ms</th>'
if grep -q 'measured ms</th>' lenet.html; then fail "times that nobody has measured"; fi
expect 3 "$NETC" "${synthetic[@]}" "$root/examples/linear.net" --emit=html=no.html --timing=time.json
one_message "time.json' tells of a kernel '[a-z0-9_.]+' that is not here"
head -c 200 time.json >half.json
expect 3 "$NETC" "${synthetic[@]}" "$root/examples/lenet.net" --emit=html=no.html --timing=half.json
one_message "'half.json', byte [0-9]+: "
expect 4 "$NETC" "${synthetic[@]}" "$root/examples/lenet.net" --emit=html=no.html --timing=none.json
one_message "cannot read 'none.json'"
expect 2 "$NETC" "$root/examples/lenet.net" --timing=time.json
one_message 'is shown by --emit=html'
[[ ! -e no.html ]] || fail "a page was written in spite of its error"

echo "== a large network: below 10 MB, and the page says what is cut"
expect 0 "$NETC" "${synthetic[@]}" "$root/examples/resnet18.net" --emit=html
size=$(stat -c %s resnet18.html)
((size > 1000000 && size < 10000000)) || fail "the page of resnet18 has $size bytes"
has resnet18.html 'sections are cut, to keep the page small'
has resnet18.html 'more lines are cut here: <code>netc --emit=llvm-ir</code>'
has resnet18.html 'stage2.residual1<tspan class="call" dx="8">residual(128, 2, true)'

if command -v node >/dev/null; then
    echo "== the script is JavaScript"
    node --check "$root/compiler/html/page.js" || fail "page.js"
else
    leave_out "the syntax of page.js by itself: needs node"
fi

if command -v tidy >/dev/null; then
    echo "== the pages are HTML 5"
    for page in lenet odd g l plain timed two; do
        tidy -quiet -errors --show-info no --drop-empty-elements no $page.html >tidy.txt 2>&1 || true # empty elements are what blank lines of a source are
        [[ ! -s tidy.txt ]] || { head -n 20 tidy.txt; fail "$page.html"; }
    done
else
    leave_out "whether the pages are HTML 5: needs tidy"
fi

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || { leave_out "the page in a browser: needs chromium"; exit 0; }

# browse PAGE HASH: loads the page, whose script is followed by the one on stdin, which says its findings by say(TEXT); prints them. Anything on the
# browser's console is an error. Every finding is one line "WHAT: TEXT".
browse() {
    { cat "$1"; echo '<script>"use strict"; const said = []; const say = (what, text) => said.push(what + ": " + text);'
      echo 'const all = (s, e) => Array.from((e || document).querySelectorAll(s)); const one = (s) => document.querySelector(s);'
      echo 'const key = (name, e) => (e || document.activeElement).dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));'
      echo 'const click = (e) => e.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));'
      cat
      echo 'document.body.replaceChildren(Object.assign(document.createElement("pre"), { id: "findings", textContent: ["", ...said, ""].join(String.fromCharCode(10)) }));</script>'
    } >browsed.html
    timeout 120 "$chromium" --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" --enable-logging=stderr --dump-dom \
        "file://$work/browsed.html$2" >dom.html 2>browser.txt </dev/null || fail "the browser ended with $?"
    grep CONSOLE browser.txt >console.txt || true
    sed -n '/<pre id="findings">/,/<\/pre>/p' dom.html | sed '1d;$d'
}
# found WHAT TEXT: the last browse found it.
found() { grep -Fxq -- "$1: $2" findings.txt || { cat findings.txt; fail "wanted $1: $2"; }; }
quiet() { [[ ! -s console.txt ]] || { cat console.txt; fail "the browser's console"; }; }

echo "== in a browser: nothing on its console, and the test would see it"
browse lenet.html '' <<<'console.error("heard"); say("title", document.title);' >findings.txt
grep -q heard console.txt || fail "the browser's console is not heard"
found title 'lenet - netc'
for page in odd g l plain timed; do
    browse $page.html '' <<<'say("panes", all(".pane").length);' >findings.txt
    quiet
    found panes 7
done

# What a choice has lit: owners are what nodes are of, without those of $1; kernels those of lit sections of each pane that do not hold one whose name begins with it.
lit='
function tell(prefix) {
    const mine = (name) => name === prefix || name.startsWith(prefix + ".");
    const nodes = all(".node.lit, .node.chosen"), names = new Map(all("tr[data-k]").map((e) => [e.dataset.k, e.querySelector("th").textContent]));
    say("chosen", document.body.dataset.chosen);
    say("nodes of others", nodes.filter((e) => !mine(e.dataset.o)).length);
    say("nodes left out", all(".node").filter((e) => mine(e.dataset.o) && !nodes.includes(e)).length);
    say("passes", ["param", "forward", "data", "weights", "update"].filter((c) => nodes.some((e) => e.classList.contains(c))).join(" "));
    say("lines", all("[data-line].lit, [data-line].chosen").map((e) => e.dataset.line).join(" "));
    say("rows left out", all("tr[data-k]").filter((e) => mine(names.get(e.dataset.k)) && !e.matches(".lit")).length);
    for (const pane of ["loops", "ir", "assembly"]) {
        const sections = all("#" + pane + " details.lit, #" + pane + " details.chosen"), hits = all("#" + pane + " b.hit");
        const known = new Set(all("#" + pane + " details[data-k]").flatMap((e) => e.dataset.k.split(" ")));
        const shown = new Set(sections.flatMap((e) => e.dataset.k.split(" ")));
        say(pane + " left out", [...names].filter(([k, name]) => mine(name) && known.has(k) && !shown.has(k)).length);
        say(pane + " is lit and open", sections.length > 3 && sections.some((e) => e.open));
        say(pane + " hits lines", [...new Set(hits.map((e) => e.dataset.l))].sort().join(" "));
    }
}'

echo "== a block's call: vgg_block(2, 256)"
expect 0 "$NETC" "${synthetic[@]}" -D ratio=1 -D size=32 -D hidden=32 "$root/examples/vgg11.net" --emit=html=vgg.html
browse vgg.html '' >findings.txt <<EOJ
$lit
const line = all("[data-line]").find((e) => e.textContent.includes("vgg_block(n, c / ratio)"));
click(line.querySelector("code"));
say("line", document.body.dataset.chosen);
say("parts", all("#parts button").map((e) => e.textContent).join("; "));
click(all("#parts button").find((e) => e.textContent.includes("vgg_block(2, 256)")));
tell("vgg_block3");
say("frame", one(".frame.chosen text").textContent);
say("address", location.hash);
const lines = new Map(all("[data-line]").map((e) => [e.dataset.line, e.textContent.trim()]));
say("marks without a line", all("b[data-l]").filter((e) => !/^[a-z]/.test(lines.get(e.dataset.l) || "")).length);
EOJ
quiet
found line 'line 1:16'
found parts 'vgg_block1 vgg_block(1, 64); vgg_block2 vgg_block(1, 128); vgg_block3 vgg_block(2, 256); vgg_block4 vgg_block(2, 512); vgg_block5 vgg_block(2, 512)'
found chosen 'part vgg_block3'
found frame 'vgg_block3vgg_block(2, 256)'
found 'nodes of others' 0
found 'nodes left out' 0
found passes 'param forward data weights update'
found lines '1:16 2:3 2:4'
found 'rows left out' 0
for pane in loops ir assembly; do
    found "$pane left out" 0
    found "$pane is lit and open" true
    found "$pane hits lines" '2:3 2:4'
done
found address '#part=vgg_block3'
found 'marks without a line' 0

echo "== addresses: a line, a node, a kernel"
browse vgg.html '#line=2:3' >findings.txt <<EOJ
$lit
tell("");
say("owners", [...new Set(all(".node.lit").map((e) => e.dataset.o.replace(/.*\./, "").replace(/[0-9]/g, "")))].sort().join(" "));
EOJ
quiet
found chosen 'line 2:3'
found owners 'conv relu'
found lines '2:3'
browse vgg.html '#kernel=vgg_block3.conv2.forward' >findings.txt <<'EOJ'
say("nodes", all(".node.lit").map((e) => e.dataset.o + "/" + e.querySelector("text").textContent).join(" "));
say("sections", ["loops", "ir", "assembly"].map((pane) => all("#" + pane + " details.chosen").length).join(" "));
say("points", all(".point.lit").length);
const view = one("#roofline svg").viewBox.baseVal, off = all(".point circle").filter((e) => e.cy.baseVal.value < 0 || e.cy.baseVal.value > view.height || e.cx.baseVal.value > view.width);
say("points off the roofline", off.length);
say("points above the peak", all(".point title").some((e) => / predicted [2-9][0-9][0-9]% /.test(e.textContent)));
EOJ
quiet
found 'points off the roofline' 0
found 'points above the peak' true
grep -q 'nodes: .*vgg_block3\.conv2/' findings.txt || fail "the kernel's node is not lit: $(<findings.txt)"
found sections '1 1 1'

echo "== a node, its gradients, and the keyboard"
browse vgg.html '' >findings.txt <<'EOJ'
click(one('.node.forward[data-o="vgg_block3.conv2"] rect'));
say("node", all(".node.chosen").length + " " + one(".node.chosen").dataset.o);
say("kin", all(".node.lit").every((e) => e.dataset.o === "vgg_block3.conv2") && ["param", "data", "weights", "update"].every((c) => one(".node.lit." + c)));
say("line", all("[data-line].chosen").map((e) => e.dataset.line).join(" "));
say("code", ["loops", "ir", "assembly"].map((pane) => all("#" + pane + " details.chosen").length > 0 && all("#" + pane + " b.hit").length > 0).join(" "));
key("Escape");
say("nothing", document.body.dataset.chosen + " " + all(".lit, .chosen, .hit").length + " " + all("details[open]").length);
say("stops", all(".pane").map((p) => all('[tabindex="0"]', p).length).join(" "));
one('[data-line="1:1"]').focus();
for (let i = 0; i < 15; i++) key("ArrowDown");
key("Enter");
say("by keys", document.body.dataset.chosen);
say("stop moved", document.activeElement.dataset.line + " " + all('#source [tabindex="0"]').length);
one("#graph .node").focus();
key("End");
key("Enter");
say("node by keys", document.body.dataset.chosen === "node " + all(".node").pop().dataset.n);
key("/");
say("search", document.activeElement.id);
one("#find").value = "VGG_block4.conv2";
one("#find").dispatchEvent(new Event("input"));
key("Enter");
say("searched", document.body.dataset.chosen);
const summary = all("#assembly summary").find((e) => e.textContent.includes("vgg_block3.conv2"));
click(summary);
say("section", summary.parentElement.open + " " + document.body.dataset.chosen.split(" ")[0]);
EOJ
quiet
found node '1 vgg_block3.conv2'
found kin true
found line '2:3'
found code 'true true true'
found nothing 'undefined 0 0'
found stops '1 1 1 1 1 1 1'
found 'by keys' 'line 1:16'
found 'stop moved' '1:16 1'
found 'node by keys' true
found search find
found searched 'part vgg_block4.conv2'
found section 'true kernel'

echo "== the picture: no two nodes on one place, gradients of a layer beside it"
browse resnet18.html '' >findings.txt <<'EOJ'
const box = (e) => { const r = e.querySelector("rect"); return ["x", "y", "width", "height"].map((a) => Number(r.getAttribute(a))); };
const inside = (a, b) => a[0] >= b[0] && a[1] >= b[1] && a[0] + a[2] <= b[0] + b[2] && a[1] + a[3] <= b[1] + b[3];
const apart = (a, b) => a[0] + a[2] <= b[0] || b[0] + b[2] <= a[0] || a[1] + a[3] <= b[1] || b[1] + b[3] <= a[1];
const nodes = all(".node"), boxes = nodes.map(box), bands = new Map(all(".band").filter((e) => e.querySelector("rect")).map((e) => [e.dataset.o, box(e)]));
let over = 0;
boxes.forEach((a, i) => { for (let k = 0; k < i; k++) if (!apart(a, boxes[k])) over++; });
say("nodes", nodes.length > 500);
say("on one place", over);
say("outside their band", nodes.filter((e, i) => !inside(boxes[i], bands.get(e.dataset.o))).length);
say("bands outside their frame", all(".frame").filter((f) => f.querySelector("rect") && [...bands].some(([o, b]) => o.startsWith(f.dataset.o + ".") && !inside(b, box(f)))).length);
const up = all(".edge.of-backward"), at = new Map(nodes.map((e, i) => [e.dataset.n, boxes[i]])), ends = (e) => e.dataset.e.split(" ").map((n) => at.get(n)[1]);
say("forward edges that go up", all(".edge.of-forward").map(ends).filter(([a, b]) => a > b).length);
say("edges", up.length > 100);
EOJ
quiet
found nodes true
found 'on one place' 0
found 'outside their band' 0
found 'bands outside their frame' 0
found 'forward edges that go up' 0
found edges true
