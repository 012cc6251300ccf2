//! Signing keys, and DSSE envelopes: bytes, what they are, and one signature over both.

use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::str;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use p256::ecdsa::DerSignature;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::elliptic_curve::Generate;
use p256::elliptic_curve::zeroize::Zeroizing;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

use crate::digest;
use crate::disk::{self, Incoming};
use crate::error::EvidenceError;
use crate::statement::{MAX_STATEMENT_BYTES, Statement};

/// The payload type of every statement: the only one that all readers of in-toto accept.
pub const STATEMENT_PAYLOAD: &str = "application/vnd.in-toto+json";
/// An envelope longer than this is refused: a statement of full length in base64, and room for the rest.
pub const MAX_ENVELOPE_BYTES: usize = MAX_STATEMENT_BYTES / 3 * 4 + 64 * 1024;

const MAX_KEY_FILE_BYTES: u64 = 16 * 1024;
const KEY_MODE: u32 = 0o600;
const KEY_DIRECTORY_MODE: u32 = 0o700;
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const READ_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const READ_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// An ECDSA key on P-256. Signatures are deterministic (RFC 6979), so signing twice says the same.
#[derive(Clone)]
pub struct SigningKey {
    secret: p256::ecdsa::SigningKey,
    public: VerifyingKey,
}

/// The public half, by which anyone can check.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    key: p256::ecdsa::VerifyingKey,
    key_id: String,
    pem: String,
}

/// A DSSE v1 envelope with exactly one signature, as a Sigstore bundle wants it. Several signers sign several
/// envelopes. Only [`Envelope::verify`] gives out a payload that can be believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// Base64 of the payload.
    pub payload: String,
    pub payload_type: String,
    pub signatures: [Signature; 1],
}

/// One signature: base64 of ASN.1 DER, over SHA-256 of [`pae`]. The key id is a hint and nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub keyid: String,
    pub sig: String,
}

/// DSSE's pre-authentication encoding: what is signed, so that a payload cannot pass as another type.
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

impl SigningKey {
    /// A new key from the system's randomness.
    pub fn generate() -> Result<Self, EvidenceError> {
        let secret = p256::ecdsa::SigningKey::try_generate()
            .map_err(key_failed("system's randomness for a new key"))?;
        Self::from_secret(secret)
    }

    /// The key in this file (PKCS#8 PEM), made there first if there is none (mode 0600, its directories too).
    ///
    /// Processes that start at once end with the same key: the first to name its file wins. A file that
    /// others may read, or that holds no key, is refused and left as it is.
    pub fn load_or_create(path: &Path) -> Result<Self, EvidenceError> {
        match Self::load(path) {
            Err(EvidenceError::Disk { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Self::create(path)?;
                Self::load(path)
            }
            loaded_or_refused => loaded_or_refused,
        }
    }

    pub fn verifying_key(&self) -> VerifyingKey {
        self.public.clone()
    }

    /// Base64 of SHA-256 over the public key's SPKI DER, as in a Sigstore bundle's hint.
    pub fn key_id(&self) -> &str {
        self.public.key_id()
    }

    pub fn sign_statement(&self, statement: &Statement) -> Envelope {
        self.sign(STATEMENT_PAYLOAD, &statement.to_bytes())
    }

    pub fn sign(&self, payload_type: &str, payload: &[u8]) -> Envelope {
        let signature: DerSignature = self.secret.sign(&pae(payload_type, payload));
        Envelope {
            payload: general_purpose::STANDARD.encode(payload),
            payload_type: payload_type.to_owned(),
            signatures: [Signature {
                keyid: self.key_id().to_owned(),
                sig: general_purpose::STANDARD.encode(signature.as_bytes()),
            }],
        }
    }

    fn load(path: &Path) -> Result<Self, EvidenceError> {
        let file = disk::open_plain(path).map_err(disk::failed("read signing key", path))?;
        let metadata = file.metadata().map_err(disk::failed("inspect signing key", path))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(EvidenceError::KeyExposed { path: path.to_path_buf(), mode });
        }
        let bytes = Zeroizing::new(disk::read_open(file, path, MAX_KEY_FILE_BYTES)?);
        let what = format!("signing key `{}`", path.display());
        let pem = str::from_utf8(&bytes).map_err(key_failed(&what))?;
        let secret = p256::ecdsa::SigningKey::from_pkcs8_pem(pem).map_err(key_failed(&what))?;
        Self::from_secret(secret)
    }

    /// Writes a new key to the file, unless another process has done so meanwhile.
    fn create(path: &Path) -> Result<(), EvidenceError> {
        let key = Self::generate()?;
        let pem = key.secret.to_pkcs8_pem(LineEnding::LF).map_err(key_failed("new signing key"))?;
        let directory = disk::parent_of(path);
        let prefix = format!(".{}.new-", path.file_name().unwrap_or_default().to_string_lossy());
        disk::create_directories(directory, KEY_DIRECTORY_MODE)?;
        disk::sweep(directory, &prefix);
        let mut incoming = Incoming::create(directory, &prefix, KEY_MODE)?;
        incoming.write(pem.as_bytes())?;
        incoming.publish_new(path)
    }

    fn from_secret(secret: p256::ecdsa::SigningKey) -> Result<Self, EvidenceError> {
        let public = VerifyingKey::from_key(*secret.verifying_key())?;
        Ok(Self { secret, public })
    }
}

impl VerifyingKey {
    /// SubjectPublicKeyInfo in PEM, as `openssl pkey -pubin` reads it.
    pub fn to_pem(&self) -> String {
        self.pem.clone()
    }

    pub fn from_pem(pem: &str) -> Result<Self, EvidenceError> {
        let key = p256::ecdsa::VerifyingKey::from_public_key_pem(pem).map_err(key_failed("public key"))?;
        Self::from_key(key)
    }

    /// Base64 of SHA-256 over the SPKI DER.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    fn from_key(key: p256::ecdsa::VerifyingKey) -> Result<Self, EvidenceError> {
        let der = key.to_public_key_der().map_err(key_failed("public key"))?;
        let pem = key.to_public_key_pem(LineEnding::LF).map_err(key_failed("public key"))?;
        let key_id = general_purpose::STANDARD.encode(Sha256::digest(der.as_bytes()));
        Ok(Self { key, key_id, pem })
    }
}

impl Envelope {
    /// The payload, if this key signed it as this type. Parse these bytes, never the envelope's again.
    ///
    /// The key id plays no part in the answer, only in the error: it is not signed.
    pub fn verify(&self, key: &VerifyingKey) -> Result<Vec<u8>, EvidenceError> {
        let [signature] = &self.signatures;
        let payload = decode("payload", &self.payload)?;
        let der = decode("signature", &signature.sig)?;
        let genuine = DerSignature::from_bytes(&der)
            .and_then(|der| key.key.verify(&pae(&self.payload_type, &payload), &der))
            .is_ok();
        if genuine {
            return Ok(payload);
        }
        let (expected, found) = (key.key_id.clone(), digest::shortened(&signature.keyid));
        if found.is_empty() || found == expected {
            Err(EvidenceError::Signature { key_id: expected })
        } else {
            Err(EvidenceError::OtherKey { expected, found })
        }
    }

    /// The statement within, if this key signed it as a statement.
    pub fn verify_statement(&self, key: &VerifyingKey) -> Result<Statement, EvidenceError> {
        let payload = self.verify(key)?;
        if self.payload_type != STATEMENT_PAYLOAD {
            let found = digest::shortened(&self.payload_type);
            return Err(refused(format!("its payload is `{found}`, not `{STATEMENT_PAYLOAD}`")));
        }
        Statement::from_bytes(&payload)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an envelope is made of text alone")
    }

    /// Parses, and verifies nothing. Base64 may be standard or URL-safe; unknown fields are ignored.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            let (size, limit) = (bytes.len() as u64, MAX_ENVELOPE_BYTES as u64);
            return Err(EvidenceError::TooLarge { what: "the envelope".to_owned(), size, limit });
        }
        let wire: Wire = serde_json::from_slice(bytes)
            .map_err(|source| EvidenceError::Json { what: "envelope", source })?;
        wire.into_envelope()
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Wire::deserialize(deserializer)?.into_envelope().map_err(serde::de::Error::custom)
    }
}

/// An envelope as it stands in JSON, not yet checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

impl Wire {
    fn into_envelope(self) -> Result<Envelope, EvidenceError> {
        decode("payload", &self.payload)?;
        let signatures: [Signature; 1] = self
            .signatures
            .try_into()
            .map_err(|found: Vec<_>| refused(format!("it has {} signatures, not one", found.len())))?;
        decode("signature", &signatures[0].sig)?;
        Ok(Envelope { payload: self.payload, payload_type: self.payload_type, signatures })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

fn decode(what: &str, text: &str) -> Result<Vec<u8>, EvidenceError> {
    let engine = if text.contains(['-', '_']) { READ_URL_SAFE } else { READ_STANDARD };
    engine.decode(text).map_err(|error| refused(format!("its {what} is not base64 ({error})")))
}

fn refused(reason: String) -> EvidenceError {
    EvidenceError::Envelope { reason }
}

fn key_failed<E>(what: &str) -> impl FnOnce(E) -> EvidenceError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| EvidenceError::Key { what: what.to_owned(), source: Box::new(source) }
}
