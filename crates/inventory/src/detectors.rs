//! The list of the detectors. A new one is one file and one word here.

use crate::detector::Detector;
use crate::lockfile::bun::BunLock;
use crate::lockfile::cargo::CargoLock;
use crate::lockfile::composer::ComposerLock;
use crate::lockfile::go::GoMod;
use crate::lockfile::gradle::GradleLock;
use crate::lockfile::listed::{ConanLock, HaskellLock, MixLock, PubLock, RenvLock, SwiftResolved};
use crate::lockfile::maven::Pom;
use crate::lockfile::npm::PackageLock;
use crate::lockfile::nuget::NuGet;
use crate::lockfile::pipfile::PipfileLock;
use crate::lockfile::pnpm::PnpmLock;
use crate::lockfile::python::PythonLock;
use crate::lockfile::requirements::Requirements;
use crate::lockfile::ruby::GemfileLock;
use crate::lockfile::sbom::Sbom;
use crate::lockfile::workflow::{Dockerfile, Workflow};
use crate::lockfile::yarn::YarnLock;

/// Every kind of file that is read; where two claim the same file, the first has it.
pub const DETECTORS: &[&dyn Detector] = &[
    &CargoLock,
    &PackageLock,
    &YarnLock,
    &PnpmLock,
    &BunLock,
    &Requirements,
    &PythonLock,
    &PipfileLock,
    &GoMod,
    &GemfileLock,
    &ComposerLock,
    &Pom,
    &GradleLock,
    &NuGet,
    &MixLock,
    &PubLock,
    &SwiftResolved,
    &RenvLock,
    &ConanLock,
    &HaskellLock,
    &Sbom,
    &Workflow,
    &Dockerfile,
];
