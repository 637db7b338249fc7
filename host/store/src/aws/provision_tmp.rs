//! Temporary.
use super::tables::{Kind, tables};
use super::*;
use aws_sdk_dynamodb::types::*;
impl Aws {
    pub(crate) async fn provision(&self) {
        for table in tables(&self.names) {
            let mut create = self
                .sdk
                .dynamodb
                .create_table()
                .table_name(&table.name)
                .billing_mode(BillingMode::PayPerRequest);
            let mut attrs = std::collections::BTreeMap::new();
            let key = |n: &str, t: KeyType| {
                KeySchemaElement::builder().attribute_name(n).key_type(t).build().unwrap()
            };
            attrs.insert(table.hash.0, table.hash.1);
            create = create.key_schema(key(table.hash.0, KeyType::Hash));
            if let Some(r) = table.range {
                attrs.insert(r.0, r.1);
                create = create.key_schema(key(r.0, KeyType::Range));
            }
            for ix in table.indexes {
                attrs.insert(ix.hash.0, ix.hash.1);
                attrs.insert(ix.range.0, ix.range.1);
                let mut p = Projection::builder();
                p = if ix.include.is_empty() {
                    p.projection_type(ProjectionType::KeysOnly)
                } else {
                    p.projection_type(ProjectionType::Include).set_non_key_attributes(Some(
                        ix.include.iter().map(|s| s.to_string()).collect(),
                    ))
                };
                create = create.global_secondary_indexes(
                    GlobalSecondaryIndex::builder()
                        .index_name(ix.name)
                        .key_schema(key(ix.hash.0, KeyType::Hash))
                        .key_schema(key(ix.range.0, KeyType::Range))
                        .projection(p.build())
                        .build()
                        .unwrap(),
                );
            }
            for (n, k) in attrs {
                create = create.attribute_definitions(
                    AttributeDefinition::builder()
                        .attribute_name(n)
                        .attribute_type(match k {
                            Kind::S => ScalarAttributeType::S,
                            Kind::N => ScalarAttributeType::N,
                        })
                        .build()
                        .unwrap(),
                );
            }
            create.send().await.unwrap();
        }
        for f in self.names.feeders() {
            self.sdk.sqs.create_queue().queue_name(f).send().await.unwrap();
        }
    }
}
