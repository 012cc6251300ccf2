//! Maven, Gradle, NuGet, Hex, Pub, Swift, R, Conan, Haskell, bills of materials, workflows and images.

use crate::check::{check, check_broken, check_ways, read};

pub const POM: &str = r#"<?xml version="1.0"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <parent><groupId>org.shop</groupId><artifactId>all</artifactId><version>2.0.0</version></parent>
  <artifactId>web</artifactId>
  <properties><guava.version>31.0-jre</guava.version><a>${b}</a><b>${a}</b></properties>
  <dependencies>
    <dependency>
      <groupId>com.google.guava</groupId><artifactId>guava</artifactId><version>${guava.version}</version>
    </dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-api</artifactId></dependency>
    <dependency><groupId>${project.groupId}</groupId><artifactId>core</artifactId><version>${project.version}</version></dependency>
    <dependency><groupId>junit</groupId><artifactId>junit</artifactId><version>[4.0,5.0)</version><scope>test</scope></dependency>
    <dependency><groupId>x</groupId><artifactId>round</artifactId><version>${a}</version></dependency>
    <dependency><groupId>x</groupId><artifactId>none</artifactId></dependency>
  </dependencies>
  <profiles><profile><id>p</id></profile></profiles>
</project>
"#;

pub const PARENT: &str = r#"<project>
  <groupId>org.shop</groupId><artifactId>all</artifactId><version>2.0.0</version>
  <properties><guava.version>1.0</guava.version><slf4j>1.7.30</slf4j></properties>
  <dependencyManagement><dependencies>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-api</artifactId><version>${slf4j}</version></dependency>
  </dependencies></dependencyManagement>
</project>
"#;

#[test]
fn a_pom_is_read_with_the_parents_of_its_tree() {
    check(
        "web/pom.xml",
        POM,
        &[("pom.xml", PARENT)],
        &[
            "7 com.google.guava:guava 31.0-jre direct normal",
            "10 org.slf4j:slf4j-api 1.7.30 direct normal",
            "11 org.shop:core 2.0.0 direct normal",
            "- -: it has profiles, which are not applied: what they add or change is not told",
            "12 junit:junit: `[4.0,5.0)` is a range and no version",
            "13 x:round: its properties name each other without end",
            "14 x:none: its version stands in no file of this tree",
        ],
    );
    let alone = POM.replace("<profiles>", "<!--").replace("</profiles>", "-->");
    let said = read("pom.xml", &alone, &[]).expect("it is read").unresolved;
    assert!(said[0].what.starts_with("a parent is no file of this tree"), "{said:?}");
    assert!(said[1].what.contains("its version stands in no file"), "{said:?}");
}

#[test]
fn what_could_unfold_is_refused() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><project>&b;</project>";
    check_broken("pom.xml", bomb, "line 1, column 1: XML with DTD detected");
    check_broken("pom.xml", "<project>\n<a></project>", "line 2, column 4: expected 'a' tag, not 'project'");
    check_broken("pom.xml", "<settings/>", "line 1, column 1: it is no `project`");
}

pub const GRADLE: &str = "# This is a Gradle generated file for dependency locking.
com.google.guava:guava:31.0-jre=compileClasspath,runtimeClasspath
junit:junit:4.13=testCompileClasspath,testRuntimeClasspath
empty=annotationProcessor
";

#[test]
fn gradle_lists_configurations() {
    check(
        "gradle.lockfile",
        GRADLE,
        &[],
        &["2 com.google.guava:guava 31.0-jre unknown normal", "3 junit:junit 4.13 unknown test"],
    );
    check_broken(
        "gradle.lockfile",
        "\nx\n",
        "line 2, column 1: this is not `group:artifact:version=configurations`",
    );
}

pub const GRADLE_OLD: &str = "# Manual edits can break the build and are not advised.
com.google.guava:guava:31.0-jre
junit:junit:4.13
";

#[test]
fn gradle_had_a_file_for_each_configuration() {
    check(
        "app/gradle/dependency-locks/compileClasspath.lockfile",
        GRADLE_OLD,
        &[],
        &["2 com.google.guava:guava 31.0-jre unknown normal", "3 junit:junit 4.13 unknown normal"],
    );
    check(
        "gradle/dependency-locks/testRuntimeClasspath.lockfile",
        "junit:junit:4.13",
        &[],
        &["1 junit:junit 4.13 unknown test"],
    );
    let path = "gradle/dependency-locks/a.lockfile";
    check_broken(path, "# x\njunit:4.13\n", "line 2, column 1: this is not `group:artifact:version`");
    check_broken(path, "a:b:1=c\n", "line 1, column 1: this is not `group:artifact:version`");
}

pub const NUGET: &str = r#"{
  "version": 1,
  "dependencies": {
    "net8.0": {
      "Newtonsoft.Json": { "type": "Direct", "requested": "[13.0.1, )", "resolved": "13.0.1", "contentHash": "aa" },
      "Serilog": { "type": "Direct", "resolved": "3.0.0", "dependencies": { "serilog.core": "1.0.0" } },
      "Serilog.Core": { "type": "Transitive", "resolved": "1.0.0" },
      "web": { "type": "Project", "dependencies": { "Serilog": "3.0.0" } }
    },
    "net6.0": { "Newtonsoft.Json": { "type": "Direct", "resolved": "13.0.1" } }
  }
}
"#;

pub const PACKAGES_CONFIG: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<packages>
  <package id="jQuery" version="3.1.1" targetFramework="net46" />
  <package id="NUnit" version="3.5.0" developmentDependency="true" />
</packages>
"#;

pub const DEPS: &str = r#"{
  "targets": { ".NETCoreApp,Version=v8.0": {
    "web/1.0.0": { "dependencies": { "Serilog": "3.0.0" } },
    "Serilog/3.0.0": {}
  } },
  "libraries": {
    "web/1.0.0": { "type": "project", "sha512": "" },
    "Serilog/3.0.0": { "type": "package", "sha512": "sha512-aa" }
  }
}
"#;

#[test]
fn nuget_in_its_three_forms() {
    check(
        "packages.lock.json",
        NUGET,
        &[],
        &[
            "5 newtonsoft.json 13.0.1 direct normal",
            "6 serilog 3.0.0 direct normal",
            "7 serilog.core 1.0.0 transitive normal",
        ],
    );
    check_ways("packages.lock.json", NUGET, "Serilog.Core", &["web > Serilog 3.0.0 > Serilog.Core 1.0.0"]);
    check(
        "packages.config",
        PACKAGES_CONFIG,
        &[],
        &["3 jquery 3.1.1 unknown normal", "4 nunit 3.5.0 unknown dev"],
    );
    check("web.deps.json", DEPS, &[], &["7 web 1.0.0 own normal elsewhere", "8 serilog 3.0.0 direct normal"]);
}

pub const MIX: &str = r#"%{
  "plug": {:hex, :plug, "1.7.1", "aa", [:mix], [{:mime, "~> 1.0", [hex: :mime, repo: "hexpm", optional: false]}], "hexpm", "bb"},
  "mime": {:hex, :mime, "1.3.0", "cc", [:mix], [], "hexpm", "dd"},
  "mine": {:git, "https://git.invalid/mine.git", "01", []},
}
"#;

pub const PUBSPEC: &str = "packages:
  http:
    dependency: \"direct main\"
    description:
      name: http
      url: \"https://pub.invalid\"
    source: hosted
    version: \"0.13.0\"
  flutter:
    dependency: \"direct main\"
    description: flutter
    source: sdk
    version: \"0.0.0\"
  path:
    dependency: transitive
    source: hosted
    version: \"1.8.0\"
sdks:
  dart: \">=2.12.0 <3.0.0\"
";

pub const SWIFT: &str = r#"{
  "pins" : [
    { "identity" : "swift-nio", "kind" : "remoteSourceControl", "location" : "https://github.com/apple/swift-nio.git",
      "state" : { "revision" : "01", "version" : "2.40.0" } },
    { "identity" : "x", "location" : "https://git.invalid/x", "state" : { "branch" : "main", "revision" : "02" } }
  ],
  "version" : 2
}
"#;

pub const RENV: &str = r#"{
  "R": { "Version": "4.3.0" },
  "Packages": {
    "readr": { "Package": "readr", "Version": "2.1.4", "Source": "Repository", "Repository": "CRAN", "Hash": "aa" },
    "mine": { "Package": "mine", "Version": "0.1.0", "Source": "GitHub" }
  }
}
"#;

pub const CONAN: &str = r#"{
    "version": "0.5",
    "requires": ["zlib/1.2.11#aa%1.0", "openssl/3.0.0@"],
    "build_requires": ["cmake/3.22.0#bb"]
}
"#;

pub const FREEZE: &str = "active-repositories: hackage.haskell.org:merge
constraints: any.aeson ==2.1.0.0,
             aeson +ordered-keymap,
             any.text ==1.2.5.0
";

pub const STACK: &str = "packages:
- completed:
    hackage: acme-missiles-0.3@sha256:aa,613
    pantry-tree:
      size: 226
  original:
    hackage: acme-missiles-0.3
snapshots: []
";

#[test]
fn lists_of_smaller_registries() {
    check(
        "mix.lock",
        MIX,
        &[],
        &[
            "2 plug 1.7.1 unknown normal",
            "3 mime 1.3.0 unknown normal",
            "4 mine: it comes from git, so its version is not known",
        ],
    );
    check_ways("mix.lock", MIX, "mime", &["plug 1.7.1 > mime 1.3.0"]);
    check(
        "pubspec.lock",
        PUBSPEC,
        &[],
        &[
            "2 http 0.13.0 direct normal",
            "9 flutter 0.0.0 direct normal elsewhere",
            "14 path 1.8.0 transitive normal",
        ],
    );
    let branch = "5 git.invalid/x: it is pinned to a branch or commit and no version";
    check("Package.resolved", SWIFT, &[], &["3 github.com/apple/swift-nio 2.40.0 unknown normal", branch]);
    check("renv.lock", RENV, &[], &["4 readr 2.1.4 unknown normal", "5 mine 0.1.0 unknown normal elsewhere"]);
    check(
        "conan.lock",
        CONAN,
        &[],
        &["3 zlib 1.2.11 unknown normal", "3 openssl 3.0.0 unknown normal", "4 cmake 3.22.0 unknown build"],
    );
    check(
        "cabal.project.freeze",
        FREEZE,
        &[],
        &["2 aeson 2.1.0.0 unknown normal", "4 text 1.2.5.0 unknown normal"],
    );
    let snapshot = "- -: it lists only what is added to a snapshot of Stackage; what the snapshot holds is not known here";
    check("stack.yaml.lock", STACK, &[], &["2 acme-missiles 0.3 unknown normal", snapshot]);
}

pub const CYCLONEDX: &str = r#"{
  "bomFormat": "CycloneDX",
  "specVersion": "1.5",
  "metadata": { "component": { "type": "application", "name": "shop", "version": "1.0.0", "bom-ref": "shop" } },
  "components": [
    { "type": "library", "name": "tool", "group": "@s", "version": "1.1.0", "bom-ref": "a", "purl": "pkg:npm/%40s/tool@1.1.0" },
    { "type": "library", "name": "guava", "version": "31.0", "bom-ref": "b", "purl": "pkg:maven/com.google.guava/guava@31.0?type=jar" },
    { "type": "library", "name": "openssl", "version": "3.0.1-1", "purl": "pkg:deb/debian/openssl@3.0.1-1?arch=amd64" },
    { "type": "library", "name": "plain", "version": "1.0.0" }
  ],
  "dependencies": [ { "ref": "shop", "dependsOn": ["a"] }, { "ref": "a", "dependsOn": ["b"] } ]
}
"#;

pub const SPDX: &str = r#"{
  "spdxVersion": "SPDX-2.3",
  "packages": [
    { "SPDXID": "SPDXRef-a", "name": "shop" },
    { "SPDXID": "SPDXRef-b", "name": "text", "versionInfo": "v0.3.0",
      "externalRefs": [ { "referenceType": "purl", "referenceLocator": "pkg:golang/golang.org/x/text@v0.3.0" } ] }
  ],
  "relationships": [
    { "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-a" },
    { "spdxElementId": "SPDXRef-a", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "SPDXRef-b" }
  ]
}
"#;

#[test]
fn bills_of_materials_speak_by_purl() {
    let no_purl = "it has no purl, so it is not known which registry it is of";
    check(
        "bom.json",
        CYCLONEDX,
        &[],
        &[
            "4 shop 1.0.0 own normal elsewhere",
            "6 @s/tool 1.1.0 direct normal",
            "7 com.google.guava:guava 31.0 transitive normal",
            "8 debian/openssl 3.0.1-1 unknown normal elsewhere",
            &format!("9 plain: {no_purl}"),
        ],
    );
    // A bill need not say what it is about.
    check("bom.json", r#"{"bomFormat": "CycloneDX", "metadata": {"component": {"version": "1"}}}"#, &[], &[]);
    let incomplete = CYCLONEDX.replace(
        "\"dependencies\"",
        "\"compositions\": [ { \"aggregate\": \"incomplete\" } ], \"dependencies\"",
    );
    let inventory = read("bom.json", &incomplete, &[]).expect("it is read");
    let ecosystems: Vec<&str> =
        inventory.installed.iter().map(|one| one.package.ecosystem.0.as_str()).collect();
    assert_eq!(ecosystems, ["generic", "npm", "Maven", "deb"]);
    assert_eq!(inventory.unresolved[0].what, "it says of itself that it is incomplete");
    let open = SPDX.replace(
        "\"relationships\": [",
        "\"relationships\": [ { \"spdxElementId\": \"SPDXRef-a\", \"relationshipType\": \"DEPENDS_ON\", \"relatedSpdxElement\": \"NOASSERTION\" },",
    );
    let inventory = read("x.spdx.json", &open, &[]).expect("it is read");
    assert_eq!(inventory.unresolved[0].what, "it says of itself that it is incomplete");
    check("x.spdx.json", SPDX, &[], &["5 golang.org/x/text 0.3.0 direct normal"]);
    check_broken("sbom.json", "{}", "line 1, column 1: it is neither CycloneDX nor SPDX 2");
}

pub const WORKFLOW: &str = "on: push
jobs:
  test:
    steps:
      - uses: actions/checkout@v4.1.1
      - name: Build
        uses: 'tj-actions/changed-files@v35'
      - uses: a/b/deep@0123456789012345678901234567890123456789 # v1.2.3
      - uses: a/c@0123456789012345678901234567890123456789 # of May
      - uses: ./local
      - run: |
          uses: no/action@v1.0.0
        env: {}
";

pub const DOCKERFILE: &str = "ARG VERSION=1
FROM --platform=linux/amd64 host.invalid:5000/rust:1.80 AS build
RUN cargo build
FROM debian@sha256:aa
FROM build
FROM base:$VERSION
from alpine
";

#[test]
fn workflows_and_images() {
    check(
        ".github/workflows/ci.yml",
        WORKFLOW,
        &[],
        &[
            "5 actions/checkout 4.1.1 direct build",
            "8 a/b 1.2.3 direct build",
            "7 tj-actions/changed-files: `v35` is a branch or a tag that moves, and no version",
            "9 a/c: it is pinned to a commit, and no comment beside it says of which version",
        ],
    );
    check(
        "Dockerfile",
        DOCKERFILE,
        &[],
        &[
            "2 host.invalid:5000/rust 1.80 direct normal elsewhere",
            "4 debian sha256:aa direct normal elsewhere",
            "6 base: it is put together from arguments of the build",
            "7 alpine: it has no tag, so it is whatever is the latest",
        ],
    );
}
