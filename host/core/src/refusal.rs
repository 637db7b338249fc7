//! What a caller is told when its input is not taken: a stable code, one
//! sentence, and every finding with its place.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// JSON Pointer (RFC 6901) to the place in the text that was checked.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

/// A refusal of some input. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// One sentence for the caller.
    pub detail: String,
    /// All findings, where there are several or their place matters.
    pub errors: Vec<Finding>,
}

impl Refusal {
    /// A refusal without findings.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new() }
    }

    /// The same with one finding more.
    #[must_use]
    pub fn at(mut self, pointer: &str, detail: impl Into<String>) -> Self {
        self.errors.push(Finding { pointer: pointer.to_owned(), detail: detail.into() });
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)?;
        for Finding { pointer, detail } in &self.errors {
            write!(f, "; {pointer:?} {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Every code that a refusal can have. The texts are part of the API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The text that clients match on.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

codes! {
    /// The body or message is larger than the host takes.
    MessageTooLarge = "message_too_large",
    /// The JSON text is no JSON.
    JsonSyntax = "json_syntax",
    /// The JSON text is not UTF-8.
    JsonUtf8 = "json_utf8",
    /// The JSON text starts with a byte order mark.
    JsonBom = "json_bom",
    /// A string holds half a surrogate pair.
    JsonSurrogate = "json_surrogate",
    /// An object has the same key twice.
    JsonDuplicateKey = "json_duplicate_key",
    /// A number that a double cannot hold exactly.
    JsonNumber = "json_number",
    /// Nested too deep.
    JsonDepth = "json_depth",
    /// Something follows the JSON text.
    JsonTrailing = "json_trailing",
    /// The envelope is not of its schema.
    EnvelopeInvalid = "envelope_invalid",
    /// The envelope's signing scheme is not known here.
    SchemeUnknown = "scheme_unknown",
    /// Messages of this type cannot be signed by the envelope's scheme.
    SchemeNotOffered = "scheme_not_offered",
    /// The message was signed as typed data and its text is not the canonical one.
    TextNotCanonical = "text_not_canonical",
    /// No workflow takes messages of this type.
    MsgTypeUnknown = "msg_type_unknown",
    /// The message is not of its type's schema.
    SchemaInvalid = "schema_invalid",
    /// The signature is not `0x` and hex digits.
    SignatureHex = "signature_hex",
    /// The signature is not 65 bytes long.
    SignatureLength = "signature_length",
    /// The compact form of EIP-2098.
    SignatureCompact = "signature_compact",
    /// The recovery id is none of 0, 1, 27, 28.
    SignatureBadV = "signature_bad_v",
    /// r or s is zero.
    SignatureZero = "signature_zero",
    /// r or s is not below the curve's order.
    SignatureOutOfRange = "signature_out_of_range",
    /// s is in the upper half (EIP-2).
    SignatureHighS = "signature_high_s",
    /// No key can have made the signature.
    SignatureUnrecoverable = "signature_unrecoverable",
    /// There is no client of this name.
    ClientUnknown = "client_unknown",
    /// The signer may not act for the client.
    SignerNotAllowed = "signer_not_allowed",
    /// The client may not submit this message type.
    MsgTypeNotAllowed = "msg_type_not_allowed",
    /// The Msg_ID is not of the form that the host issues.
    MsgIdMalformed = "msg_id_malformed",
    /// The Msg_ID was never issued.
    MsgIdUnknown = "msg_id_unknown",
    /// The Msg_ID was issued to another client.
    MsgIdForeign = "msg_id_foreign",
    /// The Msg_ID was not used in time.
    MsgIdExpired = "msg_id_expired",
    /// The Msg_ID carries other content already.
    MsgIdUsed = "msg_id_used",
    /// The client has as many unused Msg_IDs as it may.
    MsgIdCap = "msg_id_cap",
    /// No state of the workflow waits for such a signal.
    SignalUnknown = "signal_unknown",
    /// The message does not wait for the signal yet.
    SignalEarly = "signal_early",
    /// The message does not wait for the signal any more.
    SignalLate = "signal_late",
    /// The signal approves something else.
    SignalSubject = "signal_subject",
    /// The signer has given the signal already.
    SignalTwice = "signal_twice",
    /// The signer may not give the signal.
    SignalNotAllowed = "signal_not_allowed",
    /// A guard gave no answer.
    GuardFailed = "guard_failed",
    /// A rule of the message type does not hold.
    RuleBroken = "rule_broken",
    /// A validator of the message type found something wrong.
    ValidatorRefused = "validator_refused",
    /// A validator of the message type came to no end.
    ValidatorFailed = "validator_failed",
    /// The message is not parked.
    NotParked = "not_parked",
    /// The workflow does not let a message be redriven to that state.
    RedriveNotDeclared = "redrive_not_declared",
    /// The workflow does not let a message be cancelled in its state.
    CancelNotDeclared = "cancel_not_declared",
    /// The message cannot move to that version of its workflow.
    MigrationRefused = "migration_refused",
    /// Messages are still pinned to the workflow, or it admits new ones.
    WorkflowPinned = "workflow_pinned",
    /// There is no such workflow.
    WorkflowUnknown = "workflow_unknown",
    /// A workflow that is not of its schema or contradicts itself.
    WorkflowInvalid = "workflow_invalid",
    /// This version of the workflow is deployed with other content.
    WorkflowVersionUsed = "workflow_version_used",
    /// A component that is no action or has no valid manifest.
    ModuleInvalid = "module_invalid",
    /// A component imports what it may not have.
    ModuleImport = "module_import",
    /// The policy does not grant what the module asks for.
    ModuleNotGranted = "module_not_granted",
    /// Compiling a component takes more than it may.
    ModuleCompileLimit = "module_compile_limit",
    /// This version of the module is deployed with other content.
    ModuleVersionUsed = "module_version_used",
    /// A module that nothing deployed.
    ModuleUnknown = "module_unknown",
    /// Deployed workflows would not hold with the module any more.
    ModuleUnfit = "module_unfit",
    /// The module is not signed by those whom the policy lets publish it.
    ModuleUnsigned = "module_unsigned",
    /// The module may do what no reviewer approved whom the policy names.
    ReviewNeeded = "review_needed",
    /// The component is revoked.
    ModuleRevoked = "module_revoked",
    /// Workflows that take or hold messages would not hold without the module.
    ModulePinned = "module_pinned",
    /// There is no deployment to go back to.
    RollbackNone = "rollback_none",
    /// A canary of the module runs already.
    CanaryRuns = "canary_runs",
    /// No canary of the module runs.
    CanaryNone = "canary_none",
    /// A signature is not its signer's, or is over another text.
    SignatureMismatch = "signature_mismatch",
    /// The module's settings are not of its manifest's schema.
    SettingsInvalid = "settings_invalid",
    /// The request is malformed.
    RequestInvalid = "request_invalid",
    /// A bearer token is missing or unknown.
    Unauthorized = "unauthorized",
    /// The token's role may not do this.
    Forbidden = "forbidden",
    /// There is no such thing.
    NotFound = "not_found",
    /// The message is kept, and there is no bundle of it yet.
    NotArchived = "not_archived",
    /// The path does not take this method.
    MethodNotAllowed = "method_not_allowed",
    /// The host is full; try again later.
    Busy = "busy",
    /// The host cannot answer now; try again later.
    Unavailable = "unavailable",
    /// The host failed.
    Internal = "internal",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
