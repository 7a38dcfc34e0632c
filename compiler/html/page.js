"use strict";
/* What is chosen lights up what became of it. All that is needed stands in attributes (see html.h): nodes name their kernels and lines, so a choice is a
 * set of nodes and kernels, from which everything else follows. */
(function () {
    const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
    const words = (element, name) => (element.getAttribute(name) || "").split(" ").filter(Boolean);
    const byId = (id) => document.getElementById(id);

    /* ---- what belongs together ---- */

    const nodes = all(".node").map((e) => ({
        element: e, id: e.dataset.n, owner: e.dataset.o, kernels: words(e, "data-k"), own: words(e, "data-s"), lines: words(e, "data-l")
    }));
    const edges = all(".edge").map((e) => ({ element: e, ends: words(e, "data-e") }));
    const entries = all(".outline li");
    const bearers = all("details[data-k], tr[data-k], .point"); /* of kernels */
    const lines = new Map(all("[data-line]").map((e) => [e.dataset.line, e]));
    const rows = new Map(all("tr[data-k]").map((e) => [e.dataset.k, e]));
    const kernelName = (k) => rows.has(k) ? rows.get(k).querySelector("th").textContent : k;
    const within = (owner, name) => owner === name || owner.startsWith(name + ".");

    /* A choice: nodes that are meant themselves, nodes that are of the same layer, kernels that are meant themselves, lines. */
    function choiceOf(kind, name) {
        const c = { kind, name, nodes: [], kin: [], kernels: new Set(), lines: new Set() };
        if (kind === "line") {
            c.nodes = nodes.filter((n) => n.lines.includes(name));
            c.lines.add(name);
        } else if (kind === "part") {
            c.nodes = nodes.filter((n) => within(n.owner, name));
        } else if (kind === "node") {
            c.nodes = nodes.filter((n) => n.id === name);
            c.kin = nodes.filter((n) => c.nodes.some((m) => m !== n && m.owner === n.owner));
        } else if (kind === "kernel") {
            const meant = name.split(" ");
            meant.forEach((k) => c.kernels.add(k));
            c.nodes = nodes.filter((n) => n.kernels.some((k) => c.kernels.has(k)));
        }
        return c;
    }

    /* ---- lighting ---- */

    let current = null;
    let lit = [];
    let opened = [];
    const mostOpened = 12;

    function light(element, name) {
        element.classList.add(name);
        lit.push([element, name]);
    }

    function clear() {
        for (const [element, name] of lit) element.classList.remove(name);
        for (const details of opened) details.open = false;
        lit = [];
        opened = [];
        current = null;
        byId("chosen").textContent = "Choose a line, a block, a node or a kernel to see what became of it.";
        byId("parts").replaceChildren();
        document.body.removeAttribute("data-chosen");
    }

    function lightNodes(c) {
        const ids = new Set(c.nodes.map((n) => n.id));
        for (const n of c.nodes) light(n.element, c.kind === "node" ? "chosen" : "lit");
        for (const n of c.kin) light(n.element, "lit");
        for (const e of edges) if (ids.has(e.ends[0]) && (c.kind === "node" || ids.has(e.ends[1])) || c.kind === "node" && ids.has(e.ends[1])) light(e.element, "lit");
        const owners = new Set(c.nodes.concat(c.kin).map((n) => n.owner));
        for (const e of all(".band, .frame").concat(entries)) {
            if (c.kind === "part" && e.dataset.o === c.name) light(e, "chosen");
            else if (!e.classList.contains("frame") && owners.has(e.dataset.o)) light(e, "lit");
        }
    }

    function lightLines(c) {
        const hits = new Set();
        for (const n of c.nodes) for (const l of n.own) hits.add(l);
        for (const l of hits) if (lines.has(l) && !c.lines.has(l)) light(lines.get(l), c.kind === "node" ? "chosen" : "lit");
        if (c.kind !== "line") for (const n of c.nodes) for (const l of n.lines) if (!hits.has(l) && lines.has(l)) light(lines.get(l), "lit");
        for (const l of c.lines) if (lines.has(l)) light(lines.get(l), "chosen");
        return hits;
    }

    function lightKernels(c, hits) {
        const meant = new Set(c.kernels);
        for (const n of c.nodes) for (const k of n.kernels) meant.add(k);
        const more = new Set();
        for (const n of c.kin) for (const k of n.kernels) if (!meant.has(k)) more.add(k);
        for (const e of bearers) {
            const own = words(e, "data-k");
            const direct = own.some((k) => meant.has(k));
            if (!direct && !own.some((k) => more.has(k))) continue;
            light(e, direct && e.tagName === "DETAILS" && c.kind !== "line" ? "chosen" : "lit");
            if (direct && e.tagName === "DETAILS") unfold(e, hits);
        }
        return new Set([...meant, ...more]);
    }

    /* Opens a section, unless its pane has enough of them open, and lights the code of the lines. */
    function unfold(details, hits) {
        const pane = details.closest(".pane");
        if (opened.filter((d) => d.closest(".pane") === pane).length >= mostOpened) return;
        for (const b of all("b[data-l]", details)) if (hits.has(b.dataset.l)) light(b, "hit");
        if (details.open) return;
        details.open = true;
        opened.push(details);
    }

    /* The first thing that is lit in each pane comes into view, but in the pane where it was chosen. */
    function reveal(from) {
        for (const pane of all(".pane")) {
            const scroll = pane.querySelector(".scroll");
            const first = scroll.querySelector(".chosen:not(.frame):not(.band), .lit:not(.frame):not(.band):not(.edge)");
            if (!first || pane === from) continue;
            const box = first.getBoundingClientRect(), view = scroll.getBoundingClientRect();
            scroll.scrollTop += box.top - view.top - Math.min(view.height / 4, 80);
            if (pane.id === "graph") scroll.scrollLeft += box.left - view.left - view.width / 3;
        }
    }

    function title(c) {
        if (c.kind === "line") return "Line " + c.name.split(":")[1] + " of " + lines.get(c.name).closest("ol").previousElementSibling.textContent;
        if (c.kind === "kernel") return "Kernel " + c.name.split(" ").map(kernelName).join(", ");
        if (c.kind === "node" && c.nodes.length) return "Node " + c.nodes[0].element.querySelector("title").textContent;
        const entry = entries.find((e) => e.dataset.o === c.name);
        return entry ? entry.textContent : c.name;
    }

    /* Calls and layers that a line stands for, to choose one of them. */
    function offerParts(c) {
        if (c.kind !== "line") return;
        const owners = new Set();
        for (const n of c.nodes) {
            if (n.own.includes(c.name)) owners.add(n.owner);
            else for (const call of all(".frame")) if (within(n.owner, call.dataset.o)) owners.add(call.dataset.o);
        }
        const outermost = [...owners].filter((o) => ![...owners].some((other) => other !== o && within(o, other)));
        const buttons = entries.filter((e) => outermost.includes(e.dataset.o)).map((e) => {
            const button = document.createElement("button");
            button.type = "button";
            button.textContent = e.textContent;
            button.addEventListener("click", () => choose("part", e.dataset.o, null));
            return button;
        });
        if (buttons.length > 1) byId("parts").replaceChildren(...buttons);
    }

    function choose(kind, name, from) {
        clear();
        const c = choiceOf(kind, name);
        current = c;
        lightNodes(c);
        const hits = lightLines(c);
        const kernels = lightKernels(c, hits);
        document.body.classList.toggle("some", c.nodes.length + kernels.size > 0);
        if (c.nodes.length + kernels.size > 0) lit.push([document.body, "some"]);
        const plural = (n, what) => n + " " + what + (n === 1 ? "" : "s");
        byId("chosen").textContent = title(c) + ": " + (c.nodes.length + kernels.size ? plural(c.nodes.length, "node") + ", " + plural(kernels.size, "kernel") : "no code comes from it");
        document.body.setAttribute("data-chosen", kind + " " + name);
        offerParts(c);
        reveal(from);
        history.replaceState(null, "", "#" + kind + "=" + encodeURIComponent(name));
    }

    /* ---- choosing: mouse ---- */

    /* What an element within a pane stands for: [kind, name], or null. */
    function meaning(element) {
        const e = element.closest("[data-line], .node, .outline li, .band, .frame, tr[data-k], .point, details[data-k] > summary, details[data-k] pre");
        if (!e) return null;
        if (e.dataset.line) return ["line", e.dataset.line];
        if (e.classList.contains("node")) return ["node", e.dataset.n];
        if (e.dataset.o) return ["part", e.dataset.o];
        return ["kernel", (e.closest("details") || e).dataset.k];
    }

    document.querySelector("main").addEventListener("click", (event) => {
        const what = meaning(event.target);
        if (!what || String(getSelection())) return;
        if (event.target.closest("summary")) event.preventDefault();
        const details = event.target.closest("summary") ? event.target.closest("details") : null;
        const again = details && current && current.kind === what[0] && current.name === what[1];
        if (again) details.open = !details.open;
        else choose(what[0], what[1], event.target.closest(".pane"));
    });

    /* ---- choosing: keyboard. Each pane is one stop of Tab; arrows move within it. ---- */

    const items = new Map(all(".pane").map((pane) => [pane, all("[data-line], .outline li, .node, details.code > summary, tr[data-k], .point", pane)]));
    for (const [pane, list] of items) {
        list.forEach((e, i) => {
            e.setAttribute("tabindex", i ? "-1" : "0");
            if (e.tagName !== "SUMMARY" && e.tagName !== "TR") e.setAttribute("role", "button");
        });
        pane.addEventListener("keydown", (event) => move(event, list));
        pane.addEventListener("focusin", (event) => {
            if (!list.includes(event.target)) return;
            for (const e of list) if (e.getAttribute("tabindex") === "0") e.setAttribute("tabindex", "-1");
            event.target.setAttribute("tabindex", "0");
        });
    }

    function move(event, list) {
        const at = list.indexOf(document.activeElement);
        const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -list.length, End: list.length };
        if (at < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
        if (event.key in steps) {
            list[Math.max(0, Math.min(list.length - 1, at + steps[event.key]))].focus();
            event.preventDefault();
        } else if (event.key === "Enter" || event.key === " ") {
            const what = meaning(list[at]);
            if (what) choose(what[0], what[1], list[at].closest(".pane"));
            event.preventDefault();
        }
    }

    /* ---- search ---- */

    const find = byId("find");
    let matches = [], match = -1;

    function search() {
        const text = find.value.trim().toLowerCase();
        const has = (e) => e.textContent.toLowerCase().includes(text);
        matches = [];
        match = -1;
        if (text) {
            for (const e of entries) if (has(e)) matches.push(["part", e.dataset.o]);
            for (const [line, e] of lines) if (has(e)) matches.push(["line", line]);
            for (const [k, e] of rows) if (has(e)) matches.push(["kernel", k]);
            for (const n of nodes) if (has(n.element)) matches.push(["node", n.id]);
        }
        byId("found").textContent = text ? matches.length + " found" + (matches.length ? "; Enter shows the next" : "") : "";
    }

    find.addEventListener("input", search);
    find.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || !matches.length) return;
        match = (match + (event.shiftKey ? matches.length - 1 : 1)) % matches.length;
        choose(matches[match][0], matches[match][1], null);
        byId("found").textContent = (match + 1) + " of " + matches.length;
    });
    document.addEventListener("keydown", (event) => {
        if (event.key === "/" && document.activeElement !== find) {
            find.focus();
            find.select();
            event.preventDefault();
        } else if (event.key === "Escape") {
            clear();
            history.replaceState(null, "", location.pathname + location.search);
        }
    });

    /* ---- the picture's size ---- */

    const drawing = byId("drawing");
    function zoom(factor) {
        const width = drawing.viewBox.baseVal.width, height = drawing.viewBox.baseVal.height;
        const fit = drawing.parentElement.clientWidth / width;
        const now = drawing.getBoundingClientRect().width / width;
        const scale = factor ? Math.max(0.05, Math.min(4, now * factor)) : fit;
        drawing.setAttribute("width", width * scale);
        drawing.setAttribute("height", height * scale);
    }
    if (drawing) {
        const bar = document.createElement("div");
        bar.id = "zoom";
        for (const [text, label, factor] of [["\u2212", "Smaller", 0.8], ["+", "Larger", 1.25], ["fit", "Fit the width", 0]]) {
            const button = document.createElement("button");
            button.type = "button";
            button.textContent = text;
            button.setAttribute("aria-label", label);
            button.addEventListener("click", () => zoom(factor));
            bar.append(button);
        }
        byId("graph").append(bar);
    }

    /* ---- start: "#line=1:12", "#line=12" of the first source, "#part=stage1", "#node=7", "#kernel=3" or a kernel's name ---- */

    function fromAddress() {
        const m = /^#(line|part|node|kernel)=(.*)$/.exec(location.hash);
        if (!m) return;
        let name = decodeURIComponent(m[2]);
        if (m[1] === "line" && !name.includes(":")) name = "1:" + name;
        if (m[1] === "kernel") for (const k of rows.keys()) if (kernelName(k) === name) name = k;
        if (m[1] !== "line" || lines.has(name)) choose(m[1], name, null);
    }

    document.body.classList.add("live");
    byId("tools").hidden = false;
    clear();
    fromAddress();
    window.addEventListener("hashchange", fromAddress);
})();
