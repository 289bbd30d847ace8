//! All routes, on one screen.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use warp::Filter;
use warp::http::header;
use warp::path::FullPath;

use super::dates::Dates;
use super::resource::Resource;
use super::table::Table;
use super::{
    Api, Call, Handled, Kind, Routes, classic, decisions, events, head, operations, page, requests,
    session,
};

/// The routes of contract version 1 over `api`, and the pages. Every call is answered, unknown paths included.
#[rustfmt::skip]
pub fn routes(api: &Api) -> Routes {
    let table = [
        ("/v1/requests", Resource::new()
            .post(|call, _| requests::ask(call).boxed())
            .get(|call, _| requests::list(call).boxed())),
        ("/v1/requests/{id}", Resource::new()
            .get(|call, id| requests::read(call, id).boxed())
            .delete(|call, id| requests::cancel(call, id).boxed())),
        ("/v1/requests/{id}/decision", Resource::new()
            .post(|call, id| decisions::decide(call, id).boxed())
            .delete(|call, id| decisions::take_back(call, id).boxed())),
        ("/v1/requests/{id}/consume", Resource::new()
            .post(|call, id| decisions::consume(call, id).boxed())),
        ("/v1/requests/{id}/seen", Resource::new()
            .post(|call, id| decisions::seen(call, id).boxed())),
        ("/v1/events", Resource::new()
            .get(|call, _| events::listen(call).boxed())),
        ("/v1/me", Resource::new()
            .get(|call, _| now(operations::me(&call)))),
        ("/v1/session", Resource::new()
            .post(|call, _| session::log_in(call).boxed())
            .delete(|call, _| now(session::log_out(&call)))),
        ("/livez", Resource::new().of_any_host()
            .get(|_, _| now(Ok(operations::live())))),
        ("/readyz", Resource::new().of_any_host()
            .get(|call, _| now(operations::ready(&call)))),
        ("/metrics", Resource::new()
            .get(|call, _| operations::metrics(call).boxed())),
        ("/openapi.json", Resource::new()
            .get(|_, _| now(Ok(operations::openapi())))),
        ("/", Resource::new()
            .get(|call, _| now(Ok(page::inbox(&call))))),
        ("/r/{id}", Resource::new()
            .get(|call, _| now(Ok(page::request(&call))))),
        ("/ask", Resource::new()
            .get(|call, _| now(Ok(page::ask(&call))))),
        ("/login", Resource::new()
            .get(|call, _| now(Ok(page::login(&call))))),
        ("/assets/{id}", Resource::new()
            .get(|call, name| now(page::asset(&call, &name)))),
    ];
    let table = table.into_iter().chain(classic::routes(api));
    let of_classic = Kind::CLASSIC.iter().filter(|_| api.classic.is_some());
    let codes = Kind::ALL.iter().chain(of_classic).map(|kind| kind.row().1);
    api.metrics.expect_problems(codes);
    served(api.clone(), Table::new(table))
}

/// What needs no waiting.
fn now(handled: Handled) -> BoxFuture<'static, Handled> {
    ready(handled).boxed()
}

/// Has the resources of `table` answer the calls on their paths.
fn served(api: Api, table: Table) -> Routes {
    let (api, table, dates) = (Arc::new(api), Arc::new(table), Arc::new(Dates::default()));
    let answered = move |path: FullPath, head, method, body| {
        let (resource, id) = table.find(path.as_str());
        let call = Box::new(Call::new(Arc::clone(&api), head, method, body));
        let answer = resource.serve(call, id.to_owned());
        let (api, dates) = (Arc::clone(&api), Arc::clone(&dates));
        async move {
            let mut response = answer.await;
            // By the clock that requests expire by, so that clients can reckon the time left.
            let date = dates.at(api.approvals.now());
            response.headers_mut().insert(header::DATE, date);
            response
        }
    };
    let filter = warp::path::full()
        .and(head::head())
        .and(warp::method())
        .and(warp::body::stream())
        .then(answered);
    Routes::new(filter.boxed())
}
