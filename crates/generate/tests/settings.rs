//! One value of a file of settings, in each format: what it becomes, what is refused, and that nothing else changes.

use patchline_generate::config::change::{Edit, differ_in_values_alone};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

fn edit(asked: &str) -> Edit {
    asked.parse().expect("an edit")
}

#[track_caller]
fn check(given: &str, asked: &str, old: &str, new: &str) {
    assert_eq!(given.matches(old).count(), 1, "{old} says where");
    let then = given.replace(old, new);
    assert_eq!(edit(asked).put(given).as_deref(), Ok(then.as_str()), "{asked}");
    let file = asked.split(':').next().unwrap_or_default();
    assert!(differ_in_values_alone(file, given, &then), "{asked} is a change of settings");
}

#[track_caller]
fn refused(given: &str, asked: &str, why: &str) {
    let told = edit(asked).put(given).expect_err(asked);
    assert!(told.ends_with(why), "{asked}: {told}");
}

const TOML: &str = "# ours\r\ntitle = \"a\" # it's\r\n[server]\r\nport=8_080\r\nratio = 1.5\r\non = true\r\nsince = 1979-05-27 07:32:00Z\r\ntls.cert = 'c:\\x'\r\nlimits = {cpu = 1, names = [\"p\",\r\n  'q', # why\r\n]}\r\ntext = \"\"\"\r\nlong\r\n\"\"\"\r\n[[user]]\r\nname = 'ada'\r\n[[user]]\r\n\"a.b\" = -1\r\n";

#[test]
fn toml() {
    check(TOML, "a.toml:title=é \"x\" = # \\", "\"a\"", r#""é \"x\" = # \\""#);
    check(TOML, "a.toml:server.port=0x10", "8_080", "0x10");
    check(TOML, "a.toml:server.ratio=2e3", "1.5", "2e3");
    check(TOML, "a.toml:server.on=false", "true", "false");
    check(TOML, "a.toml:server.since=2001-01-01T00:00:00Z", "1979-05-27 07:32:00Z", "2001-01-01T00:00:00Z");
    check(TOML, "a.toml:server.tls.cert=d:\\y", "'c:\\x'", "'d:\\y'");
    check(TOML, "a.toml:server.tls.cert=it's", "'c:\\x'", "\"it's\"");
    check(TOML, "a.toml:server.limits.cpu=12", "cpu = 1", "cpu = 12");
    check(TOML, "a.toml:server.limits.names[1]=r", "'q'", "'r'");
    check(TOML, "a.toml:user[0].name=eve", "'ada'", "'eve'");
    check(TOML, "a.toml:user[1][\"a.b\"]=7", "-1", "7");
    refused(TOML, "a.toml:server.port=1.5", "it is a whole number, `8_080`, and `1.5` is not");
    refused(TOML, "a.toml:server.port=1 # x", "it is a whole number, `8_080`, and `1 # x` is not");
    refused(TOML, "a.toml:server.text=x", "it is a text over several lines");
    refused(TOML, "a.toml:server.limits=x", "it is a map or a list, and no single value");
    refused(
        TOML,
        "a.toml:server.x=1",
        "there is no `x` in `server`: there is `port`, `ratio`, `on`, `since`, `tls`, `limits`, `text`",
    );
    refused("a = 1\nb = \n", "a.toml:a=1", "line 2: string values must be quoted, expected literal string");
}

const HCL: &str = r#"# ours
variable "region" {
  default = "eu-1" // near
}
resource "aws_instance" "web" {
  ami           = var.ami
  instance_type = "t2.micro" /* small */
  count         = 2
  monitoring    = false
  user_data     = <<-EOT
    instance_type = "t2.micro"
    ${var.x}
  EOT
  tags = {
    Name  = "web", "a.b" = "c"
    (k)   = "d"
  }
  ports = [80, 443]
  name  = "web-${var.x}"
  ingress { from = 1 }
  ingress { from = 22 }
}
resource "aws_instance" "api" { count = 5 }
"#;

#[test]
fn hcl() {
    check(HCL, "main.tf:variable.region.default=us ${x} \"y\"", "\"eu-1\"", r#""us $${x} \"y\"""#);
    check(HCL, "main.tf:resource.aws_instance.web.count=3", "count         = 2", "count         = 3");
    check(HCL, "main.tf:resource.aws_instance.api.count=6", "count = 5", "count = 6");
    check(HCL, "main.tf:resource.aws_instance.web.monitoring=true", "false", "true");
    check(HCL, "main.tf:resource.aws_instance.web.tags.Name=é", "\"web\",", "\"é\",");
    check(HCL, "main.tf:resource.aws_instance.web.tags[\"a.b\"]=x", "\"c\"", "\"x\"");
    check(HCL, "main.tf:resource.aws_instance.web.ports[1]=8443", "443", "8443");
    check(HCL, "main.tf:resource.aws_instance.web.ingress[1].from=23", "22", "23");
    check(HCL, "main.tf:resource.aws_instance.web.instance_type=t3", "\"t2.micro\" /*", "\"t3\" /*");
    check("a = \"b\"\r\n\r\nc = 1\r\n", "x.tfvars:a=d", "\"b\"", "\"d\"");
    let web = |key: &str| format!("main.tf:resource.aws_instance.web.{key}=1");
    refused(HCL, &web("ami"), "it is an expression, `var.ami`, and no single value");
    refused(HCL, &web("name"), "it is an expression, `\"web-${var.x}\"`, and no single value");
    assert!(
        edit(&web("user_data"))
            .put(HCL)
            .expect_err("a text over lines")
            .contains("it is an expression, `<<-EOT")
    );
    refused(HCL, &web("tags"), "it is a map or a list, and no single value");
    refused(
        HCL,
        &web("ingress.from"),
        "there is no `from` in `resource` `aws_instance` `web` `ingress`: there is a list of 2",
    );
    refused(HCL, "main.tf:resource.aws_instance.web.count=x", "it is a number, `2`, and `x` is none");
    assert!(
        edit("a.tf:a=1").put("a = 1\nb =\n").is_err_and(|why| why.contains("line 2")),
        "an error says where"
    );
    assert!(!differ_in_values_alone("main.tf", "a = var.x\n", "a = var.y\n"), "an expression is code");
    assert!(!differ_in_values_alone(".terraform.lock.hcl", "a = 1\n", "a = 2\n"), "a lockfile");
}

const PROPERTIES: &str = "# ours = 1\r\n  ! a\\\r\nserver.port=8080\r\nserver.hosts[0] : a, \\\r\n    b\r\n key\\ with\\:colon   value\\u00e9 \r\nempty=\r\nurl = http://h.invalid/a=b#c\r\nlast \\\r\n = x";

#[test]
fn properties() {
    check(PROPERTIES, "a.properties:server.port=80", "8080", "80");
    check(PROPERTIES, "a.properties:server.hosts[0]= c\\d", "a, \\\r\n    b", "\\ c\\\\d");
    check(PROPERTIES, "a.properties:key with:colon=€😀", "value\\u00e9 ", "\\u20AC\\uD83D\\uDE00");
    check(PROPERTIES, "a.properties:empty=x", "empty=", "empty=x");
    check(PROPERTIES, "a.properties:url=y", "http://h.invalid/a=b#c", "y");
    check(PROPERTIES, "a.properties:last=y", " = x", " = y");
    refused(
        PROPERTIES,
        "a.properties:server=1",
        "there is no `server` at the top: there is `server.port`, `server.hosts[0]`, `key with:colon`, `empty`, `url`, `last`",
    );
    refused("a=1\na=2\n", "a.properties:a=3", "`a` stands there more than once");
    refused("a=\\u12\n", "a.properties:a=3", "line 1: `\\u` without four hexadecimal digits in its value");
    assert!(!differ_in_values_alone("gradle/wrapper/gradle-wrapper.properties", "a=1\n", "a=2\n"));
}

const MANIFESTS: &str = "# ours\n---\nkind: Service\nmetadata:\n  name: web\nspec:\n  port: 80\n---\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  replicas: 2 # two\n---\nkind: Deployment\nmetadata:\n  name: web\n  namespace: test\nspec:\n  replicas: 1\n---\nodd: &anchor x\n";

#[test]
fn objects_of_kubernetes() {
    check(MANIFESTS, "k8s.yaml:Service/web.spec.port=81", "80", "81");
    check(MANIFESTS, "k8s.yaml:deployment/shop/web.spec.replicas=3", "2 #", "3 #");
    check(MANIFESTS, "k8s.yaml:[2].spec.replicas=4", "replicas: 1", "replicas: 4");
    check("a/b: 1\n", "x.yaml:a/b=2", "1", "2");
    refused(
        MANIFESTS,
        "k8s.yaml:Deployment/web.spec.replicas=3",
        "2 documents are `Deployment/web`: say `KIND/NAMESPACE/NAME`, or which by `[n]`",
    );
    refused(
        MANIFESTS,
        "k8s.yaml:Job/web.a=3",
        "no document is `Job/web`: there is `Service/web`, `Deployment/web`, `Deployment/web`; 1 could not be read",
    );
}

/// The values of a Helm chart keep what is a text a text.
#[test]
fn values_of_helm() {
    let values = "# Default values\nreplicaCount: 1\nimage:\n  repository: a/b\n  # Overrides the chart's\n  tag: \"\"\nserviceAccount:\n  annotations: {}\ntolerations: []\nversion: v1\n";
    check(values, "values.yaml:image.tag=1.10", "\"\"", "\"1.10\"");
    check(values, "values.yaml:version=1.10", "v1", "\"1.10\"");
    check(values, "values.yaml:replicaCount=3", "replicaCount: 1", "replicaCount: 3");
    refused(
        "a: {{ .Values.a }}\nb: 1\n",
        "templates/x.yaml:b.c=2",
        "line 1, column 5: a comma or a bracket is missing here",
    );
}

/// No text that is nested without end brings the reader down, and none of it is changed.
#[test]
fn what_is_nested_deep_is_refused() {
    const DEEP: usize = 100_000;
    for open in ["[", "{a=", "(", "!", "-", "f(", "[for a in ", "\"${", "1+", "a ? b : "] {
        let text = format!("x = {}", open.repeat(DEEP));
        for file in ["a.toml", "a.tf"] {
            assert!(edit(&format!("{file}:x=1")).put(&text).is_err(), "{file} {open}");
        }
        let closed = format!("x = {}1{}", "[".repeat(DEEP), "]".repeat(DEEP));
        assert!(edit("a.toml:y=1").put(&closed).is_err() && edit("a.tf:y=1").put(&closed).is_err());
    }
    let dotted = "a.".repeat(DEEP);
    for text in [
        format!("{dotted}a = 1"),
        format!("[{dotted}a]"),
        format!("x = {{{dotted}a = 1}}"),
        format!("\"=\".{dotted}a = 1"),
    ] {
        assert!(edit("a.toml:y=1").put(&text).is_err());
    }
    assert!(edit("a.tf:y=1").put(&"a {\n".repeat(DEEP)).is_err());
    assert!(edit("a.tf:y=1").put(&format!("x = a{}", ".b".repeat(DEEP))).is_err());
}

#[test]
fn large_files_are_read() {
    let lines: String = (0..50_000).map(|line| format!("key{line} = \"{line}\"\n")).collect();
    for file in ["a.toml", "a.tf"] {
        let made = edit(&format!("{file}:key49999=x")).put(&lines);
        assert_eq!(made, Ok(lines.replace("\"49999\"", "\"x\"")), "{file}");
    }
    let made = edit("a.properties:key49999=x").put(&lines);
    assert_eq!(made, Ok(lines.replace("= \"49999\"", "= x")));
}

proptest! {
    #[test]
    fn any_text_becomes_the_value_and_comes_back(value in "[^\\p{Cc}]{0,20}", other in "[^\\p{Cc}]{1,20}") {
        for (file, text) in [
            ("a.toml", "# x\r\na = \"b\" # é\r\n[c]\r\nd = 1\r\n"),
            ("a.tf", "# x\na = \"b\" # é\nc {\n  d = <<E\n  x\nE\n}\n"),
            ("a.properties", "# x\r\na = b\r\nc \\\r\n d\r\n"),
        ] {
            let put = |value: &str, text: &str| edit(&format!("{file}:a={value}")).put(text);
            let there = put(&other, text).expect("a first value");
            let changed = put(&value, &there).expect("another");
            prop_assert!(changed.starts_with("# x") && changed.ends_with(&text[text.find("\nc").or(text.find("[c]")).expect("c")..]));
            prop_assert_eq!(put(&other, &changed), Ok(there));
        }
    }

    #[test]
    fn foreign_text_never_panics_and_an_edit_taken_back_leaves_the_same_bytes(
        text in "(a = |\\[a\\]|\\[\\[a\\]\\]|b|a|\\.|\"x1\"|'x1'|\"\"\"|1|true|\\[|\\]|\\{|\\}|, |<<E\n|E\n|  |\r?\n| # |//|/\\*|\\*/|\\$\\{|:|\\\\|\\\\u00e9|ä)*",
        other in any::<String>(),
    ) {
        for file in ["a.toml", "a.tf", "a.properties"] {
            for text in [&text, &format!("a = \"x1\"\n{text}"), &format!("a = x1\n{text}"), &format!("b {{\na = \"x1\"\n{text}\n}}\n"), &other] {
                for path in ["a", "a.a", "a[0]", "b.a", "a[0].b"] {
                    let edit = |value: &str| edit(&format!("{file}:{path}={value}"));
                    let Ok(first) = edit("x1").put(text) else { continue };
                    let changed = edit("y2z").put(&first);
                    prop_assert_eq!(changed.and_then(|changed| edit("x1").put(&changed)), Ok(first));
                }
            }
        }
    }
}
