//! Files that are made to need much memory: what their readers take is measured, and has a bound.

use patchline_inventory::Neighbours;
use patchline_inventory::detectors::DETECTORS;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// For each byte of the file.
const A_BYTE: usize = 20;
/// For each package, of which no more are read than this.
const A_PACKAGE: usize = 1024;
const MOST_PACKAGES: usize = 100_000;

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// One test, for other threads would be measured as well.
#[test]
fn what_a_file_takes_has_a_bound() {
    let values = |open: &str, value: &str, close: &str| format!("{open}{}{close}", value.repeat(1_000_000));
    let many = 99_000;
    let files = [
        ("package-lock.json", values("[", "[],", "[]]")),
        ("package-lock.json", values("[", "1,", "1]")),
        ("package-lock.json", values("{", "\"\":1,", "\"\":1}")),
        (
            "package-lock.json",
            format!("{{\"packages\":{{{}\"\":{{}}}}}}", lines(many, |number| format!("\"{number}\":{{}},"))),
        ),
        (
            "package-lock.json",
            format!(
                "{{\"packages\":{{{}\"\":{{}}}}}}",
                lines(many, |number| format!("\"node_modules/{number}\":{{\"version\":\"1\"}},"))
            ),
        ),
        ("requirements.txt", lines(many, |number| format!("a{number}==1\n"))),
        ("gradle.lockfile", lines(many, |number| format!("a:{number}:1=\n"))),
        (
            "go.mod",
            format!("module m\nrequire (\n{})\n", lines(many, |number| format!("a/{number} v1.0.0\n"))),
        ),
        ("yarn.lock", lines(many, |number| format!("a@{number}:\n  version \"1\"\n"))),
        (
            "pnpm-lock.yaml",
            format!(
                "lockfileVersion: 9\npackages:\n{}",
                lines(many, |number| format!(" a{number}@1: {{}}\n"))
            ),
        ),
        ("pnpm-lock.yaml", values("lockfileVersion: 9\npackages:\n a: [", "[],", "1]\n")),
        (
            "Cargo.lock",
            lines(50_000, |number| format!("[[package]]\nname = \"a\"\nversion = \"1.0.{number}\"\n")),
        ),
        ("Cargo.lock", values("a = [", "1,", "1]")),
        ("poetry.lock", lines(50_000, |number| format!("[[package]]\nname=\"a\"\nversion=\"{number}\"\n"))),
        ("pom.xml", values("<project>", "<a/>", "</project>")),
        ("packages.config", values("<packages>", "<a/>", "</packages>")),
        ("Gemfile.lock", format!("GEM\n  specs:\n{}", lines(many, |number| format!("    a{number} (1)\n")))),
        (
            "mix.lock",
            format!("%{{{}}}", lines(many, |number| format!("\"{number}\": {{:hex, :a, \"1\"}},\n"))),
        ),
        ("Dockerfile", "FROM a\n".repeat(200_000)),
        (
            "bom.json",
            format!(
                "{{\"bomFormat\":\"CycloneDX\",\"components\":[{}{{}}]}}",
                "{\"purl\":\"pkg:npm/a@1\"},".repeat(many)
            ),
        ),
    ];
    for (path, text) in &files {
        let detector = DETECTORS.iter().find(|detector| detector.kind().claims(path)).expect("it is read");
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let read = detector.parse(path, text, &Neighbours::new());
        let most = MEMORY.peak_usage().saturating_sub(before);
        drop(read);
        let bound = A_BYTE * text.len() + A_PACKAGE * MOST_PACKAGES;
        let start: String = text.chars().take(30).collect();
        assert!(most <= bound, "{path}, {start:?}…: {most} bytes for {}", text.len());
    }
}
