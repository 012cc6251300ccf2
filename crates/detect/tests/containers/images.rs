//! Images: layers upon each other, by every way in which they are kept.

use crate::made::{
    ALPINE, DEBIAN, LOCK, Made, STATUS, archived, check, check_path, check_refused, gzip, hex, layout, tar,
    text, written,
};

const OTHER: &str = "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\n";

fn base() -> Vec<u8> {
    tar(&[
        ("usr/lib/os-release", text(DEBIAN)),
        ("etc/os-release", Made::Link("../usr/lib/os-release")),
        ("var/lib/dpkg/status", text(STATUS)),
        ("app/package-lock.json", text(LOCK)),
        ("app/old/package-lock.json", text(LOCK)),
        ("opt/a/package-lock.json", text(LOCK)),
        ("opt/b/package-lock.json", text(LOCK)),
        ("srv/package-lock.json", text(LOCK)),
        ("home/package-lock.json", text(LOCK)),
    ])
}

fn top() -> Vec<u8> {
    tar(&[
        ("var/lib/dpkg/status", text(OTHER)),
        ("app/.wh.old", text("")),
        ("opt/.wh..wh..opq", text("")),
        ("opt/b/package-lock.json", text(LOCK)),
        // A file in place of a folder, and a folder in place of a file.
        ("srv", text("")),
        ("home/package-lock.json", Made::Folder),
        (".wh..wh.aufs", text("")),
    ])
}

#[test]
fn what_an_upper_layer_takes_away_is_not_there() {
    let (low, high) = (gzip(&base()), gzip(&top()));
    let (low_name, high_name) = (format!("sha256:{}", hex(&low)), format!("sha256:{}", hex(&high)));
    let files = layout(&[("amd64", &[low, high])]);
    let then = [
        format!("Debian:12 bash 5.2-1 at {high_name}/var/lib/dpkg/status"),
        format!("npm a 1.0.0 at {low_name}/app/package-lock.json"),
        format!("npm a 1.0.0 at {high_name}/opt/b/package-lock.json"),
    ];
    let then: Vec<&str> = then.iter().map(String::as_str).collect();
    check_path(written(&files).path(), &then);
    let archive = archived(&files);
    check(&archive, &then);
    check(&gzip(&archive), &then);
    // What says which layers there are may stand before them as well.
    let mut turned = files;
    turned.reverse();
    check(&archived(&turned), &then);
}

#[test]
fn what_docker_saves_is_read_in_the_order_of_its_manifest() {
    let (low, high) = (base(), top());
    let manifest = r#"[{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}]"#;
    let saved = tar(&[
        ("2/layer.tar", Made::File(&high)),
        ("3/layer.tar", Made::File(&low)),
        ("1/layer.tar", Made::Link("../3/layer.tar")),
        ("c.json", text("{}")),
        ("manifest.json", text(manifest)),
    ]);
    let (low, high) = (format!("sha256:{}", hex(&low)), format!("sha256:{}", hex(&high)));
    let then = [
        format!("Debian:12 bash 5.2-1 at {high}/var/lib/dpkg/status"),
        format!("npm a 1.0.0 at {low}/app/package-lock.json"),
        format!("npm a 1.0.0 at {high}/opt/b/package-lock.json"),
    ];
    let then: Vec<&str> = then.iter().map(String::as_str).collect();
    check(&saved, &then);
    check(&gzip(&saved), &then);
}

#[test]
fn each_platform_is_looked_at_and_one_that_is_not_there_is_named() {
    let shared = base();
    let alpine = tar(&[
        ("etc/os-release", text(ALPINE)),
        ("lib/apk/db/installed", text("P:musl\nV:1.2.5-r0\no:musl\n\n")),
    ]);
    let small = tar(&[("srv/package-lock.json", text(LOCK))]);
    let names = [&shared, &alpine].map(|layer| format!("sha256:{}", hex(layer)));
    let mut files =
        layout(&[("amd64", std::slice::from_ref(&shared)), ("arm64", &[alpine]), ("riscv64", &[small])]);
    // The third manifest and its layer were not copied.
    let index = files.iter().position(|(path, _)| path == "index.json").expect("an index");
    files.remove(index - 1);
    let npm = |path: &str| format!("npm a 1.0.0 at {}/{path}", names[0]);
    let then = [
        format!("Debian:12 openssl 3.0.11-1 at {}/var/lib/dpkg/status", names[0]),
        npm("app/old/package-lock.json"),
        npm("app/package-lock.json"),
        npm("home/package-lock.json"),
        npm("opt/a/package-lock.json"),
        npm("opt/b/package-lock.json"),
        npm("srv/package-lock.json"),
        format!("Alpine:v3.20 musl 1.2.5-r0 at {}/lib/apk/db/installed", names[1]),
        "? linux/riscv64: its manifest is not in the layout, so it was not looked at".to_owned(),
    ];
    let then: Vec<&str> = then.iter().map(String::as_str).collect();
    check_path(written(&files).path(), &then);
    check(&archived(&files), &then);
}

#[test]
fn an_image_of_which_a_part_is_missing_or_changed_is_refused() {
    let files = layout(&[("amd64", &[base(), top()])]);
    let layer = format!("blobs/sha256/{}", hex(&top()));
    let mut missing = files.clone();
    missing.retain(|(path, _)| *path != layer);
    check_refused(
        &archived(&missing),
        &format!("its layer `{layer}`: it is not in the image for linux/amd64"),
    );
    let changed = |then: Vec<u8>| {
        let mut files = files.clone();
        files.iter_mut().filter(|(path, _)| *path == layer).for_each(|(_, bytes)| *bytes = then.clone());
        files
    };
    let other = archived(&changed(base()));
    check_refused(&other, &format!("its layer `{layer}`: it is not what its digest says"));
    let cut = archived(&changed(gzip(&top())[..100].to_vec()));
    check_refused(&cut, &format!("its layer `{layer}`: "));
    let text = files.iter().map(|(path, bytes)| match path.as_str() {
        "index.json" => (path.clone(), br#"{"manifests": []}"#.to_vec()),
        _ => (path.clone(), bytes.clone()),
    });
    check_refused(&archived(&text.collect::<Vec<_>>()), "it lists no image that is in it");
}

#[test]
fn statements_about_an_image_are_no_image() {
    let mut files = layout(&[("amd64", &[base()]), ("unknown", &[b"{}".to_vec()])]);
    let index = files.iter_mut().find(|(path, _)| path == "index.json").expect("an index");
    let text = String::from_utf8(index.1.clone()).expect("text");
    let mark = r#""annotations": {"vnd.docker.reference.type": "attestation-manifest"}, "platform": {"os": "linux", "architecture": "unknown"}"#;
    index.1 = text.replace(r#""platform": {"os": "linux", "architecture": "unknown"}"#, mark).into_bytes();
    let folder = written(&files);
    let found =
        patchline_detect::scan(folder.path(), &patchline_detect::Advisories::built_in()).expect("a scan");
    assert_eq!(found.inventory.len(), 7);
}

#[test]
fn a_layer_may_write_through_a_link_of_one_below() {
    let musl = |version: &str| format!("P:musl\nV:{version}\no:musl\n\n");
    let low = tar(&[
        ("etc/os-release", text(ALPINE)),
        ("lib", Made::Link("usr/lib")),
        ("usr/lib/apk/db/installed", text(&musl("1.2.4-r0"))),
    ]);
    let high = tar(&[("lib/apk/db/installed", text(&musl("1.2.5-r0")))]);
    let then = format!("Alpine:v3.20 musl 1.2.5-r0 at sha256:{}/usr/lib/apk/db/installed", hex(&high));
    check(&archived(&layout(&[("amd64", &[low, high])])), &[&then]);
}
