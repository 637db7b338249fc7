//! The object store: bundles, components, and bodies that are too large elsewhere.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use surety_core::ports::Fault;
use surety_core::types::Digest;

use super::config::AwsConfig;
use super::identity::Identity;

/// Objects under one folder.
#[derive(Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// As it is configured, for errors.
    url: String,
}

/// Whether an object was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Created,
    /// There was one already, and it is as it was.
    Exists,
}

impl Objects {
    /// The configured one. Nothing is asked of S3 yet.
    pub(super) fn open(config: &AwsConfig) -> Result<Self, object_store::Error> {
        let url = config.objects.clone();
        let failed = |store| move |e| object_store::Error::Generic { store, source: Box::new(e) };
        let store: Arc<dyn ObjectStore> = match url.split_once("://") {
            Some(("s3", place)) => {
                let (bucket, folder) = place.split_once('/').unwrap_or((place, ""));
                let identity = Identity::new(config).map_err(failed("S3"))?;
                let mut builder = AmazonS3Builder::from_env()
                    .with_bucket_name(bucket)
                    .with_region(&config.region)
                    .with_credentials(Arc::new(identity));
                if !config.objects_endpoint.is_empty() {
                    builder = builder
                        .with_endpoint(&config.objects_endpoint)
                        .with_allow_http(config.objects_endpoint.starts_with("http://"));
                }
                Arc::new(PrefixStore::new(builder.build()?, folder))
            }
            _ => {
                let folder = url.trim_start_matches("file://");
                std::fs::create_dir_all(folder).map_err(failed("files"))?;
                // Bundles are what proves a payment: they must survive the power.
                Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true))
            }
        };
        Ok(Self { store, url })
    }

    /// The whole name of an object, for errors.
    pub(super) fn place(&self, place: &str) -> String {
        format!("{}/{place}", self.url.trim_end_matches('/'))
    }

    fn fault(&self, place: &str, e: &object_store::Error) -> Fault {
        let place = self.place(place);
        Fault::Unavailable(format!(
            "the object {place}: {e}; look at `objects`, its bucket and what this identity may do there"
        ))
    }

    /// Makes an object, if there is none.
    pub(super) async fn put(&self, place: &str, bytes: Vec<u8>) -> Result<Put, Fault> {
        let (options, path) = (PutOptions::from(PutMode::Create), Path::from(place));
        match self.store.put_opts(&path, bytes.into(), options).await {
            Ok(_) => return Ok(Put::Created),
            Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(e) => return Err(self.fault(place, &e)),
        }
        // S3 answers 409 also to who meets another writer, which may not come to its end;
        // the client cannot tell the two apart. Nobody may name an object that is not there.
        match self.store.head(&path).await {
            Ok(_) => Ok(Put::Exists),
            Err(object_store::Error::NotFound { .. }) => {
                let place = self.place(place);
                let why = format!("the object {place} is being made by another process");
                Err(Fault::Unavailable(why))
            }
            Err(e) => Err(self.fault(place, &e)),
        }
    }

    /// The bytes of an object.
    pub(super) async fn get(&self, place: &str) -> Result<Option<Vec<u8>>, Fault> {
        let got = async { self.store.get(&Path::from(place)).await?.bytes().await };
        match got.await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.fault(place, &e)),
        }
    }

    /// The bytes of an object whose name tells their digest.
    pub(super) async fn content(
        &self,
        place: &str,
        digest: Digest,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let content = self.get(place).await?;
        if content.as_ref().is_some_and(|bytes| Digest::of(bytes) != digest) {
            let place = self.place(place);
            return Err(Fault::Corrupt(format!(
                "the object {place} is not what its name says, it was damaged or changed; put it back from a backup or an earlier version of it"
            )));
        }
        Ok(content)
    }

    /// Removes all objects of a folder.
    pub(super) async fn remove_folder(&self, folder: &str) -> Result<(), Fault> {
        let found: Vec<_> = self
            .store
            .list(Some(&Path::from(folder)))
            .try_collect()
            .await
            .map_err(|e| self.fault(folder, &e))?;
        for object in found {
            match self.store.delete(&object.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => return Err(self.fault(folder, &e)),
            }
        }
        Ok(())
    }

    /// The names of a folder's objects, in their order, from behind `after`.
    pub(super) async fn list(
        &self,
        folder: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, Fault> {
        let prefix = Path::from(folder);
        let mut stream = match after {
            Some(name) => {
                self.store.list_with_offset(Some(&prefix), &Path::from(format!("{folder}/{name}")))
            }
            None => self.store.list(Some(&prefix)),
        };
        let ordered = self.url.starts_with("s3://");
        let mut names = Vec::new();
        while let Some(object) = stream.try_next().await.map_err(|e| self.fault(folder, &e))? {
            names.extend(object.location.filename().map(str::to_owned));
            // S3 lists in order; a folder of files does not.
            if ordered && names.len() == limit {
                break;
            }
        }
        names.sort_unstable();
        names.truncate(limit);
        Ok(names)
    }
}
