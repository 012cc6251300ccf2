//! Files of every kind with as much in each byte as their readers take.

/// A file, and one that lies beside it.
pub struct Dense {
    pub path: &'static str,
    pub text: String,
    pub neighbour: Option<(String, String)>,
    /// Words of the limit that it meets; none where it is read whole.
    pub limit: Option<&'static str>,
}

impl Dense {
    /// A file that no tool writes: it meets a limit.
    fn refused(path: &'static str, limit: &'static str, text: String) -> Self {
        Self { path, text, neighbour: None, limit: Some(limit) }
    }

    /// A file that is read.
    fn read(path: &'static str, text: String) -> Self {
        Self { path, text, neighbour: None, limit: None }
    }

    fn beside(self, name: &str, text: String) -> Self {
        Self { neighbour: Some((name.to_owned(), text)), ..self }
    }

    pub fn what(&self) -> String {
        let start: String = self.text.chars().take(30).collect();
        format!("{}, {start:?}…", self.path)
    }
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

fn values(open: &str, value: &str, close: &str) -> String {
    format!("{open}{}{close}", value.repeat(1_000_000))
}

const PACKAGES: &str = "packages";
const VALUES: &str = "values";

pub fn files() -> Vec<Dense> {
    [javascript(), python(), rust_and_go(), others(), listed(), builds()].into_iter().flatten().collect()
}

fn javascript() -> Vec<Dense> {
    let many = 50_000;
    let npm = |entries: String| format!("{{\"packages\":{{{entries}\"\":{{}}}}}}");
    let old = |entries: String| format!("{{\"lockfileVersion\":1,\"dependencies\":{{{entries}\"z\":{{}}}}}}");
    let wants = format!(
        "{{\"dependencies\":{{{}\"z\":\"1\"}}}}",
        lines(90_000, |number| format!("\"{number}\":\"1\","))
    );
    let berry =
        |count, entry: fn(usize) -> String| format!("__metadata:\n  version: 8\n\n{}", lines(count, entry));
    let pnpm = |rest: String| format!("lockfileVersion: 9\npackages:\n{rest}");
    vec![
        Dense::refused("package-lock.json", VALUES, values("[", "[],", "[]]")),
        Dense::refused("package-lock.json", VALUES, values("[", "1,", "1]")),
        Dense::refused("package-lock.json", VALUES, values("{", "\"\":1,", "\"\":1}")),
        Dense::refused(
            "package-lock.json",
            PACKAGES,
            npm(lines(60_000, |number| format!("\"{number}\":{{}},"))),
        ),
        Dense::read(
            "package-lock.json",
            npm(lines(50_000, |number| format!("\"node_modules/{number}\":{{\"version\":\"1\"}},"))),
        ),
        Dense::read(
            "package-lock.json",
            npm(lines(99_999, |number| format!("\"node_modules/pkg-{number}\":{{\"version\":\"1.2.3\"}},"))),
        ),
        // A hundred that each need all of a thousand.
        Dense::read(
            "package-lock.json",
            npm(lines(90, |number| {
                format!(
                    "\"node_modules/{number}\":{{\"version\":\"1\",\"dependencies\":{{{}\"0\":\"1\"}}}},",
                    lines(1000, |need| format!("\"{need}\":\"1\","))
                )
            }) + &lines(910, |number| {
                format!("\"node_modules/{}\":{{\"version\":\"1\"}},", number + 90)
            })),
        ),
        // Ten ways to each of a chain.
        Dense::read(
            "package-lock.json",
            npm(lines(20_000, |number| {
                format!(
                    "\"node_modules/{number}\":{{\"version\":\"1\",\"dependencies\":{{\"{}\":\"1\",\"{}\":\"1\"}}}},",
                    number + 1,
                    number + 2
                )
            })),
        ),
        Dense::read(
            "npm-shrinkwrap.json",
            old(lines(30_000, |number| {
                format!("\"{number}\":{{\"version\":\"1.2.3\",\"requires\":{{\"{}\":\"1\"}}}},", number + 1)
            })),
        )
        .beside("package.json", wants.clone()),
        Dense::refused(
            "npm-shrinkwrap.json",
            PACKAGES,
            old(lines(300_000, |number| format!("\"{number}\":{{}},"))),
        ),
        // Each in the folder of the one before.
        Dense::read(
            "npm-shrinkwrap.json",
            old("\"a\":{\"version\":\"1\",\"dependencies\":{".repeat(60) + &"}},".repeat(60)),
        ),
        Dense::read("yarn.lock", lines(many, |number| format!("a@{number}:\n  version \"1\"\n"))),
        Dense::refused(
            "yarn.lock",
            "names",
            lines(20, |entry| lines(9_999, |number| format!("{:x},", entry * 10_000 + number)) + "a:\n"),
        ),
        Dense::read(
            "yarn.lock",
            lines(100, |entry| {
                format!(
                    "{entry}@1:\n  version \"1\"\n  dependencies:\n{}",
                    lines(900, |number| format!("    {number} 1\n"))
                )
            }),
        )
        .beside("package.json", wants.clone()),
        Dense::read(
            "yarn.lock",
            berry(20_000, |number| {
                format!("a@{number}:\n  version: 1\n  dependencies:\n    a: {}\n", number + 1)
            }),
        ),
        Dense::refused("yarn.lock", VALUES, berry(99_000, |number| format!("{number}: {{}}\n"))),
        Dense::refused(
            "pnpm-lock.yaml",
            PACKAGES,
            pnpm(lines(80_000, |number| format!(" a{number}@1: {{}}\n"))),
        ),
        Dense::read(
            "pnpm-lock.yaml",
            pnpm(
                lines(30_000, |number| {
                    format!("  a{number}@1.0.0:\n    resolution: {{integrity: sha512-a}}\n")
                }) + "snapshots:\n"
                    + &lines(30_000, |number| {
                        format!("  a{number}@1.0.0:\n    dependencies:\n      a{}: 1.0.0\n", number + 1)
                    }),
            ),
        ),
        Dense::refused(
            "pnpm-lock.yaml",
            VALUES,
            values("lockfileVersion: 9\npackages:\n a: [", "[],", "1]\n"),
        ),
        Dense::refused("pnpm-lock.yaml", VALUES, values("", "-\n", "")),
        Dense::refused("pnpm-lock.yaml", "indented", values("a:\n", "\n", "lockfileVersion: 9\n b:\n")),
        Dense::refused(
            "bun.lock",
            PACKAGES,
            format!(
                "{{\"lockfileVersion\":1,\"packages\":{{{}}}}}",
                lines(60_000, |number| format!("\"{number}\":[\"a@1\"],"))
            ),
        ),
        Dense::read(
            "bun.lock",
            format!(
                "{{\"lockfileVersion\":1,\"packages\":{{{}}}}}",
                lines(25_000, |number| format!(
                    "\"{number}\":[\"{number}@1\",\"\",{{\"dependencies\":{{\"{}\":\"1\"}}}},\"\"],",
                    number + 1
                ))
            ),
        ),
    ]
}

fn python() -> Vec<Dense> {
    let many = 50_000;
    let project =
        format!("[project]\ndependencies = [{}]\n", lines(50_000, |number| format!("\"a{number}\",")));
    vec![
        Dense::refused("requirements.txt", PACKAGES, lines(many, |number| format!("a{number}==1\n"))),
        Dense::refused("requirements.txt", PACKAGES, "a\n".repeat(100_000)),
        Dense::refused("requirements.txt", "more can't be judged", "./\n".repeat(100_000)),
        Dense::read("requirements.txt", lines(30_000, |number| format!("pkg{number}==1.0.0\n"))),
        Dense::refused("requirements.txt", PACKAGES, "a\n-c constraints.txt\n".to_owned())
            .beside("constraints.txt", lines(many, |number| format!("a{number}==1\n"))),
        Dense::refused("requirements/x.txt", PACKAGES, lines(40_000, |number| format!("a{number}==1\n")) + "-r y.txt\n")
            .beside("requirements/y.txt", lines(40_000, |number| format!("a{number}==1\n"))),
        Dense::read("poetry.lock", lines(20_000, |number| format!("[[package]]\nname=\"a\"\nversion=\"{number}\"\n"))),
        Dense::read(
            "poetry.lock",
            lines(4_000, |number| format!(
                "[[package]]\nname = \"package-{number}\"\nversion = \"1.0.{number}\"\ndescription = \"\"\noptional = false\npython-versions = \"*\"\nfiles = [\n  {{file = \"a.whl\", hash = \"sha256:{:064}\"}},\n]\n\n[package.dependencies]\npackage-{} = \"*\"\n\n",
                0,
                number + 1
            )),
        )
        .beside("pyproject.toml", project.clone()),
        Dense::read(
            "uv.lock",
            lines(3_000, |number| format!(
                "[[package]]\nname = \"package-{number}\"\nversion = \"1.0.{number}\"\nsource = {{ registry = \"https://index.invalid/simple\" }}\ndependencies = [\n    {{ name = \"package-{}\" }},\n]\n\n",
                number + 1
            )),
        ),
        Dense::refused("uv.lock", "tables", format!("[[package]]\nname=\"a\"\ndependencies=[{}]\n", "{a=1},".repeat(20_000))),
        Dense::read(
            "pdm.lock",
            lines(3_000, |number| format!(
                "[[package]]\nname = \"package-{number}\"\nversion = \"1.0.{number}\"\ngroups = [\"default\"]\ndependencies = [\n    \"package-{}\",\n]\nfiles = [\n    {{file = \"a.whl\", hash = \"sha256:{:064}\"}},\n]\n\n",
                number + 1,
                0
            )),
        ),
        Dense::read(
            "pylock.toml",
            lines(3_000, |number| format!("[[packages]]\nname = \"package-{number}\"\nversion = \"1.0.{number}\"\nindex = \"https://index.invalid/simple\"\n\n")),
        ),
        Dense::refused("pylock.x.toml", "more can't be judged", lines(30_000, |_| "[[packages]]\nname=\"a\"\n".to_owned())),
        Dense::read("Pipfile.lock", format!("{{\"default\":{{{}\"a\":{{}}}}}}", lines(60_000, |number| format!("\"a{number}\":{{\"version\":\"==1\"}},")))),
    ]
}

fn rust_and_go() -> Vec<Dense> {
    let many = 50_000;
    let sums = lines(40_000, |number| format!("a/{number} v1.0.0 h1:a\n"));
    vec![
        Dense::read(
            "Cargo.lock",
            lines(20_000, |number| format!("[[package]]\nname = \"a\"\nversion = \"1.0.{number}\"\n")),
        ),
        Dense::read(
            "Cargo.lock",
            format!(
                "version = 4\n\n{}",
                lines(4_000, |number| format!(
                    "[[package]]\nname = \"package-{number}\"\nversion = \"1.0.{number}\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{:064}\"\ndependencies = [\n \"package-{}\",\n]\n\n",
                    0,
                    (number + 1) % 4_000
                ))
            ),
        ),
        Dense::refused("Cargo.lock", "values", values("a = [", "1,", "1]")),
        Dense::refused("Cargo.lock", "values", values("", "[]\n", "")),
        Dense::refused("Cargo.lock", "tables", format!("a = [{}]\n", "{a=1},".repeat(20_000))),
        Dense::refused("Cargo.lock", "values", values("", "a.b=1\n", "")),
        Dense::refused("Cargo.lock", "tables", format!("a.{}b=1\n", "b.".repeat(1_000_000))),
        Dense::refused(
            "go.mod",
            PACKAGES,
            format!("module m\nrequire (\n{})\n", lines(100_000, |number| format!("a/{number} v1.0.0\n"))),
        ),
        Dense::refused(
            "go.mod",
            "more than",
            format!("module m\nreplace (\n{})\n", lines(many, |number| format!("{number} => a\n"))),
        ),
        Dense::refused(
            "go.mod",
            "more than",
            format!("module m\nexclude (\n{})\n", lines(many, |number| format!("{number} a\n"))),
        ),
        Dense::read("go.mod", "module m\nrequire a v1.0.0\n".to_owned()).beside("go.sum", sums),
    ]
}

fn others() -> Vec<Dense> {
    let many = 50_000;
    let composer =
        |entry: fn(usize) -> String, count| format!("{{\"packages\":[{}{{}}]}}", lines(count, entry));
    vec![
        Dense::refused(
            "Gemfile.lock",
            PACKAGES,
            format!("GEM\n  specs:\n{}", lines(many, |number| format!("    a{number} (1)\n"))),
        ),
        Dense::read(
            "gems.locked",
            format!(
                "GEM\n  specs:\n    {}",
                lines(100, |gem| format!(
                    "    a{gem} (1)\n{}",
                    lines(900, |need| format!("      a{need}\n"))
                ))
            ),
        ),
        Dense::read(
            "composer.lock",
            composer(
                |number| {
                    format!(
                        "{{\"name\":\"a/{number}\",\"version\":\"1.2.3\",\"require\":{{\"a/{}\":\"1\"}}}},",
                        number + 1
                    )
                },
                25_000,
            ),
        )
        .beside(
            "composer.json",
            format!(
                "{{\"require\":{{{}\"a\":\"\"}}}}",
                lines(90_000, |number| format!("\"a/{number}\":\"\","))
            ),
        ),
        Dense::refused(
            "composer.lock",
            PACKAGES,
            composer(|number| format!("{{\"name\":\"{number}\"}},"), 99_000),
        ),
        Dense::refused("pom.xml", "nodes", values("<project>", "<a/>", "</project>")),
        Dense::read(
            "pom.xml",
            format!(
                "<project><properties>{}</properties></project>",
                lines(many, |number| format!("<a{number}/>"))
            ),
        ),
        Dense::read(
            "pom.xml",
            format!(
                "<project><dependencies>{}</dependencies></project>",
                lines(15_000, |number| format!(
                    "<dependency><groupId>a</groupId><artifactId>{number}</artifactId><version>1</version></dependency>"
                ))
            ),
        ),
        Dense::refused("gradle.lockfile", PACKAGES, lines(many, |number| format!("a:{number}:1=\n"))),
        Dense::refused("buildscript-gradle.lockfile", PACKAGES, lines(many, |_| "::=\n".to_owned())),
        Dense::refused(
            "gradle/dependency-locks/x.lockfile",
            PACKAGES,
            lines(many, |number| format!("a:{number}:1\n")),
        ),
        Dense::read(
            "packages.lock.json",
            format!(
                "{{\"dependencies\":{{\"net\":{{{}\"a\":{{}}}}}}}}",
                lines(60_000, |number| format!("\"a{number}\":{{\"resolved\":\"1\"}},"))
            ),
        ),
        Dense::read(
            "packages.lock.json",
            format!(
                "{{\"dependencies\":{{\"net\":{{{}\"a\":{{}}}}}}}}",
                lines(25_000, |number| format!(
                    "\"a{number}\":{{\"type\":\"Transitive\",\"resolved\":\"1\",\"dependencies\":{{\"a{}\":\"1\"}}}},",
                    number + 1
                ))
            ),
        ),
        Dense::refused("packages.config", "nodes", values("<packages>", "<a/>", "</packages>")),
        Dense::read(
            "packages.x.config",
            format!(
                "<packages>{}</packages>",
                lines(50_000, |number| format!("<package id=\"{number}\" version=\"1\"/>"))
            ),
        ),
        Dense::refused(
            "x.deps.json",
            PACKAGES,
            format!(
                "{{\"libraries\":{{{}\"a\":{{}}}}}}",
                lines(60_000, |number| format!("\"{number}/1\":{{}},"))
            ),
        ),
        Dense::read(
            "x.deps.json",
            format!(
                "{{\"targets\":{{\"net\":{{{}\"a\":{{}}}}}},\"libraries\":{{{}\"a\":{{}}}}}}",
                lines(25_000, |number| format!(
                    "\"{number}/1\":{{\"dependencies\":{{\"{}\":\"1\"}}}},",
                    number + 1
                )),
                lines(25_000, |number| format!("\"{number}/1\":{{\"type\":\"package\"}},"))
            ),
        ),
    ]
}

fn listed() -> Vec<Dense> {
    let many = 50_000;
    let spdx = |packages: String, relations: String| {
        format!(
            "{{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[{packages}{{}}],\"relationships\":[{relations}{{}}]}}"
        )
    };
    vec![
        Dense::read(
            "mix.lock",
            format!("%{{{}}}", lines(many, |number| format!("\"{number}\": {{:hex, :a, \"1\"}},\n"))),
        ),
        Dense::refused(
            "mix.lock",
            "dependencies",
            format!("%{{\n\"a\": {{:hex, :a, \"1\", [{}]}},\n}}", "{:a,".repeat(500_000)),
        ),
        Dense::read(
            "pubspec.lock",
            format!("packages:\n{}", lines(50_000, |number| format!(" a{number}:\n  version: 1\n"))),
        ),
        Dense::refused(
            "Package.resolved",
            PACKAGES,
            format!("{{\"pins\":[{}{{}}]}}", lines(60_000, |_| "{\"location\":\"a\"},".to_owned())),
        ),
        Dense::read(
            "renv.lock",
            format!(
                "{{\"Packages\":{{{}\"a\":{{}}}}}}",
                lines(50_000, |number| format!(
                    "\"{number}\":{{\"Package\":\"a\",\"Version\":\"{number}\"}},"
                ))
            ),
        ),
        Dense::refused(
            "conan.lock",
            PACKAGES,
            format!("{{\"requires\":[{}\"a/1\"]}}", lines(60_000, |number| format!("\"{number}/1\","))),
        ),
        Dense::refused(
            "cabal.project.freeze",
            PACKAGES,
            format!("constraints: {}", lines(many, |number| format!("{number}==1,"))),
        ),
        Dense::read(
            "stack.yaml.lock",
            format!(
                "packages:\n{}",
                lines(40_000, |number| format!("- completed:\n    hackage: a-{number}\n"))
            ),
        ),
        Dense::read(
            "bom.json",
            format!(
                "{{\"bomFormat\":\"CycloneDX\",\"components\":[{}{{}}]}}",
                "{\"purl\":\"pkg:npm/a@1\"},".repeat(50_000)
            ),
        ),
        Dense::read(
            "sbom.json",
            format!(
                "{{\"bomFormat\":\"CycloneDX\",\"components\":[{}{{}}],\"dependencies\":[{}{{}}]}}",
                lines(1000, |number| format!(
                    "{{\"bom-ref\":\"{number}\",\"purl\":\"pkg:npm/{number}@1\"}},"
                )),
                lines(90, |number| format!(
                    "{{\"ref\":\"{number}\",\"dependsOn\":[{}\"1\"]}},",
                    lines(1000, |need| format!("\"{need}\","))
                ))
            ),
        ),
        Dense::refused(
            "x.cdx.json",
            PACKAGES,
            format!("{{\"bomFormat\":\"CycloneDX\",\"components\":[{}{{}}]}}", "{},".repeat(50_000)),
        ),
        Dense::refused(
            "x.spdx.json",
            PACKAGES,
            spdx(lines(70_000, |number| format!("{{\"SPDXID\":\"{number}\"}},")), String::new()),
        ),
        Dense::read(
            "x.spdx.json",
            spdx(
                lines(12_000, |number| {
                    format!(
                        "{{\"SPDXID\":\"{number}\",\"externalRefs\":[{{\"referenceType\":\"purl\",\"referenceLocator\":\"pkg:npm/{number}@1\"}}]}},"
                    )
                }),
                lines(12_000, |number| {
                    format!(
                        "{{\"spdxElementId\":\"{number}\",\"relatedSpdxElement\":\"{}\",\"relationshipType\":\"DEPENDS_ON\"}},",
                        number + 1
                    )
                }),
            ),
        ),
    ]
}

fn builds() -> Vec<Dense> {
    vec![
        Dense::refused(".github/workflows/x.yml", PACKAGES, "uses: a@v1.2.3\n".repeat(100_000)),
        Dense::refused(".github/workflows/x.yaml", PACKAGES, format!("- {}\n", "{uses: a},".repeat(100_000))),
        Dense::refused("action.yml", PACKAGES, "uses: a\n".repeat(100_000)),
        Dense::refused("action.yaml", PACKAGES, "- uses: a/b@v1.2.3\n".repeat(100_000)),
        Dense::refused("Dockerfile", PACKAGES, "FROM a\n".repeat(100_000)),
        Dense::refused("Containerfile", PACKAGES, lines(100_000, |number| format!("FROM a AS b{number}\n"))),
        Dense::refused("Dockerfile.x", PACKAGES, "FROM a:1\n".repeat(100_000)),
        Dense::refused("x.Dockerfile", PACKAGES, "FROM $a\n".repeat(100_000)),
    ]
}
