//! Long lists by pages: thousands of whole objects are never in one answer, nor in memory at a time.

use kube::{api::ListParams, core::ObjectList};
use tokio::sync::Semaphore;

/// Objects of a page: whoever may make pods makes them of a megabyte each.
pub(crate) const PAGE: u32 = 20;
/// Pages that are in memory at a time, of all looks.
static PAGES: Semaphore = Semaphore::const_new(2);

/// All objects of a list, each as `prune` leaves it.
///
/// # Errors
/// When a page cannot be read, or the list has grown too old between two of them: it begins anew with the next try.
pub(crate) async fn all<K: Clone>(
    params: ListParams,
    list: impl AsyncFn(ListParams) -> kube::Result<ObjectList<K>>,
    prune: impl Fn(&mut K),
) -> kube::Result<Vec<K>> {
    let params = params.limit(PAGE);
    let mut all = Vec::new();
    let mut token = None::<String>;
    loop {
        let page = match &token {
            Some(token) => params.clone().continue_token(token),
            None => params.clone(),
        };
        // An error would say that it is closed, which it never is.
        let place = PAGES.acquire().await;
        let ObjectList {
            metadata, mut items, ..
        } = list(page).await?;
        items.iter_mut().for_each(&prune);
        all.append(&mut items);
        drop(place);
        token = metadata.continue_.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use k8s_openapi::api::core::v1::Pod;
    use kube::{Api, ResourceExt};
    use serde_json::json;

    use super::*;
    use crate::{pod_facts, test_api};

    #[tokio::test]
    async fn a_long_list_comes_by_pages_and_is_pruned() {
        let client = test_api::client(|asked| {
            let (first, more) = match asked.path.split("continue=").nth(1) {
                Some(token) => (token[..1].parse::<u32>().unwrap(), false),
                None => (0, true),
            };
            assert!(asked.path.contains("limit=20"), "{}", asked.path);
            let pod = |n: u32| {
                json!({
                    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("x-{n}")},
                    "spec": {"containers": [{"name": "trainer"}]},
                })
            };
            let items: Vec<_> = (first..first + 2).map(pod).collect();
            let token = if more { "2" } else { "" };
            let page = json!({
                "apiVersion": "v1", "kind": "PodList", "metadata": {"continue": token}, "items": items,
            });
            std::future::ready(Some((StatusCode::OK, page)))
        });
        let api: Api<Pod> = Api::namespaced(client, "a");
        let list = async |page: ListParams| api.list(&page).await;
        let pods = all(ListParams::default(), list, pod_facts::prune).await.unwrap();
        let names: Vec<_> = pods.iter().map(ResourceExt::name_any).collect();
        assert_eq!(names, ["x-0", "x-1", "x-2", "x-3"]);
        assert!(pods.iter().all(|pod| pod.spec.is_none()));
    }
}
