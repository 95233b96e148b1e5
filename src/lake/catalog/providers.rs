//! The catalogue, schemas and `information_schema` that DataFusion asks, over one statement's view of the lake.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    catalog::{
        CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider,
        information_schema::{INFORMATION_SCHEMA, InformationSchemaProvider},
    },
    common::Result as DataFusionResult,
    logical_expr::TableType,
};
use futures::{FutureExt, future::BoxFuture};

use super::StatementCatalog;
use crate::{
    access::{self, Privilege},
    lake::{CATALOG, SCHEMAS, TEMPORARY_SCHEMA, TableName, system_tables},
};

/// What tables are looked up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// A statement that names them.
    Named,
    /// The lists of `information_schema`, which leave out what cannot be read.
    Listed,
    /// Its list of views.
    Views,
}

/// The list with the one catalogue. It keeps the statement's catalogue alive as long as its sessions live.
#[derive(Debug)]
pub(super) struct CatalogList {
    pub(super) catalog: Option<Arc<StatementCatalog>>,
    pub(super) lookup: Lookup,
}

impl CatalogProviderList for CatalogList {
    fn register_catalog(
        &self,
        _name: String,
        _catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_string()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        let catalog = self.catalog.clone().filter(|_| name == CATALOG)?;
        Some(Arc::new(Catalog {
            catalog,
            lookup: self.lookup,
        }))
    }
}

#[derive(Debug)]
struct Catalog {
    catalog: Arc<StatementCatalog>,
    lookup: Lookup,
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        let schemas = self.catalog.lake.schemas();
        let mut names = schemas.unwrap_or_else(|_| SCHEMAS.map(str::to_string).to_vec());
        names.retain(|name| self.catalog.rights.may_see_schema(name));
        if !self.catalog.temporary.is_empty() && self.lookup != Lookup::Views {
            names.push(TEMPORARY_SCHEMA.to_string());
        }
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if name == INFORMATION_SCHEMA {
            return Some(Arc::new(InformationSchema {
                lists: self.information_schema(Lookup::Listed),
                views: self.information_schema(Lookup::Views),
            }));
        }
        if name == TEMPORARY_SCHEMA {
            return Some(Arc::clone(&self.catalog.temporary) as _);
        }
        Some(Arc::new(LakeSchema {
            catalog: Arc::clone(&self.catalog),
            name: name.to_string(),
            lookup: self.lookup,
        }))
    }
}

impl Catalog {
    fn information_schema(&self, lookup: Lookup) -> InformationSchemaProvider {
        let catalogs = CatalogList {
            catalog: Some(Arc::clone(&self.catalog)),
            lookup,
        };
        let functions = self.catalog.base.table_functions().clone();
        InformationSchemaProvider::new(Arc::new(catalogs)).with_table_functions(functions)
    }
}

/// DataFusion's `information_schema`, whose `views` would list tables as well.
#[derive(Debug)]
struct InformationSchema {
    lists: InformationSchemaProvider,
    views: InformationSchemaProvider,
}

#[async_trait]
impl SchemaProvider for InformationSchema {
    fn table_names(&self) -> Vec<String> {
        self.lists.table_names()
    }

    async fn table(&self, name: &str) -> Found {
        let lists = if name.eq_ignore_ascii_case("views") {
            &self.views
        } else {
            &self.lists
        };
        lists.table(name).await
    }

    fn table_exist(&self, name: &str) -> bool {
        self.lists.table_exist(name)
    }
}

#[derive(Debug)]
struct LakeSchema {
    catalog: Arc<StatementCatalog>,
    name: String,
    lookup: Lookup,
}

type Found = DataFusionResult<Option<Arc<dyn TableProvider>>>;

impl LakeSchema {
    fn find(&self, table: &str) -> BoxFuture<'static, Found> {
        let (catalog, schema, table) = (
            Arc::clone(&self.catalog),
            self.name.clone(),
            table.to_string(),
        );
        let is_tolerant = self.lookup != Lookup::Named;
        async move {
            match catalog.provider(&schema, &table).await {
                Err(error) if is_tolerant => {
                    tracing::debug!(schema, table, "left out of information_schema: {error}");
                    Ok(None)
                }
                found => Ok(found?),
            }
        }
        .boxed()
    }

    fn is_listed(&self, table: TableName) -> BoxFuture<'static, bool> {
        let catalog = Arc::clone(&self.catalog);
        async move { catalog.is_listed(&table).await }.boxed()
    }
}

#[async_trait]
impl SchemaProvider for LakeSchema {
    fn table_names(&self) -> Vec<String> {
        let lake = &self.catalog.lake;
        let mut names = lake.views(&self.name).unwrap_or_default();
        if self.lookup != Lookup::Views {
            names.extend(lake.tables(&self.name).unwrap_or_default());
        }
        if self.name == "system" && self.lookup != Lookup::Views {
            names.push(system_tables::TABLES.to_string());
            names.extend(access::LISTINGS.map(str::to_string));
        }
        let may_read = |table: &String| {
            TableName::new(&self.name, table)
                .is_ok_and(|name| self.catalog.rights.may(Privilege::Select, &name))
        };
        names.retain(may_read);
        names
    }

    // As async_trait would write it, but for the proof that everything in here can be sent between threads: with the
    // bounds on lifetimes in sight the compiler takes seconds for that, in a function of its own it has it ready.
    fn table<'a, 'b, 'c>(&'a self, name: &'b str) -> BoxFuture<'c, Found>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        self.find(name)
    }

    async fn table_type(&self, name: &str) -> DataFusionResult<Option<TableType>> {
        let is_listing = name == system_tables::TABLES || access::LISTINGS.contains(&name);
        if self.name == "system" && is_listing {
            return Ok(Some(TableType::View));
        }
        let name = TableName::new(&self.name, name)?;
        if self.lookup != Lookup::Named && !self.is_listed(name.clone()).await {
            return Ok(None);
        }
        if self.catalog.lake.has_table(&name) {
            return Ok(Some(TableType::Base));
        }
        // One that cannot be read is a view, too.
        let is_missing = matches!(self.catalog.lake.view(&name), Ok(None));
        Ok((!is_missing).then_some(TableType::View))
    }

    fn table_exist(&self, name: &str) -> bool {
        let Ok(table) = TableName::new(&self.name, name) else {
            return false;
        };
        let lake = &self.catalog.lake;
        lake.has_table(&table) || matches!(lake.view(&table), Ok(Some(_)))
    }
}
