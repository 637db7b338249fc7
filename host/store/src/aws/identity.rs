//! Who this process is for the object store: the same as for queues and tables, found
//! in the same places. The store's own way to look knows no profiles.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_sqs::config::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_sqs::error::DisplayErrorContext;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Semaphore;

use super::config::AwsConfig;
use super::sdk;

/// How long before they end credentials are replaced: longer than a call goes on that was
/// signed with them, and shorter than what any service gives at least, 15 minutes.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// How long credentials are kept that do not say when they end. As long as the SDK keeps
/// them, so that all parts notice a change of a file at about the same time.
const KEPT_MAX: Duration = Duration::from_secs(15 * 60);

/// How long it may take to find them; the SDK gives it as long.
const FIND_MAX: Duration = Duration::from_secs(5);

/// The identity of this process.
pub(super) struct Identity {
    provider: SharedCredentialsProvider,
    kept: Mutex<Option<Kept>>,
    /// One finds them, and the others wait for that.
    turn: Semaphore,
}

struct Kept {
    credential: Arc<AwsCredential>,
    until: SystemTime,
}

impl Identity {
    /// Nothing is looked for yet.
    pub(super) fn new(config: &AwsConfig) -> std::io::Result<Self> {
        let provider = sdk::credentials(config)?;
        let none = || std::io::Error::other("the SDK looks for no credentials");
        Ok(Self::of(provider.ok_or_else(none)?))
    }

    fn of(provider: SharedCredentialsProvider) -> Self {
        Self { provider, kept: Mutex::default(), turn: Semaphore::new(1) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> Option<Arc<AwsCredential>> {
        let kept = self.lock();
        let kept = kept.as_ref().filter(|kept| SystemTime::now() < kept.until)?;
        Some(Arc::clone(&kept.credential))
    }
}

#[async_trait]
impl CredentialProvider for Identity {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        if let Some(kept) = self.kept() {
            return Ok(kept);
        }
        let _turn = self.turn.acquire().await;
        if let Some(kept) = self.kept() {
            return Ok(kept);
        }
        let failed = |why: String| object_store::Error::Generic {
            store: "S3",
            source: format!("no credentials: {why}").into(),
        };
        let found = tokio::time::timeout(FIND_MAX, self.provider.provide_credentials()).await;
        let found = found.map_err(|_| failed("none were found in time".to_owned()))?;
        let found = found.map_err(|e| failed(DisplayErrorContext(e).to_string()))?;
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        });
        let until = match found.expiry() {
            Some(end) => end.checked_sub(RENEW_BEFORE).unwrap_or(end),
            None => SystemTime::now() + KEPT_MAX,
        };
        *self.lock() = Some(Kept { credential: Arc::clone(&credential), until });
        Ok(credential)
    }
}

/// Without its secrets.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use aws_credential_types::Credentials;
    use aws_credential_types::credential_fn::provide_credentials_fn;
    use aws_credential_types::provider::error::CredentialsError;

    use super::*;

    /// An identity whose credentials last so long, if they end, and how often they were
    /// looked for.
    fn lasting(span: Option<Duration>) -> (Identity, Arc<AtomicU64>) {
        let looks = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&looks);
        let provider = provide_credentials_fn(move || {
            let look = counted.fetch_add(1, Ordering::SeqCst);
            let end = span.map(|span| SystemTime::now() + span);
            async move {
                let (key, token) = (format!("key {look}"), Some("token".to_owned()));
                Ok(Credentials::new(key, "secret", token, end, "test"))
            }
        });
        (Identity::of(SharedCredentialsProvider::new(provider)), looks)
    }

    #[tokio::test]
    async fn credentials_are_kept_until_they_end() {
        for (span, expected) in
            [(None, 1), (Some(Duration::from_secs(900)), 1), (Some(RENEW_BEFORE), 3)]
        {
            let (identity, looks) = lasting(span);
            for n in 0..3 {
                let found = identity.get_credential().await.unwrap();
                let key = format!("key {}", if expected == 1 { 0 } else { n });
                assert_eq!((&*found.key_id, &*found.secret_key), (&*key, "secret"));
                assert_eq!(found.token.as_deref(), Some("token"));
            }
            assert_eq!(looks.load(Ordering::SeqCst), expected, "{span:?}");
        }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_look_once() {
        let (identity, looks) = lasting(None);
        let all = (0..16).map(|_| identity.get_credential());
        futures_util::future::try_join_all(all).await.unwrap();
        assert_eq!(looks.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn who_has_none_is_told_why() {
        let none = || async { Err(CredentialsError::not_loaded("the profile is empty")) };
        let identity = Identity::of(SharedCredentialsProvider::new(provide_credentials_fn(none)));
        let said = identity.get_credential().await.unwrap_err().to_string();
        assert!(said.contains("no credentials") && said.contains("the profile is empty"), "{said}");
    }
}
