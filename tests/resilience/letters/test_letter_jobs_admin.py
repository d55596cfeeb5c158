"""Everything that the filter shows, in the admin: jobs, exports and groups, each with its permission."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from resilience.letters import redrive
from resilience.letters.selection import Selection
from resilience.models import DeadLetter, LetterJob
from tests.resilience.conftest import UserWith
from tests.support.letters import make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handler")]
LIST = "/admin/resilience/deadletter/"
JOBS = "/admin/resilience/letterjob/"
PAGES = {
    "retry": "everything/retry/",
    "discard": "everything/discard/",
    "export": "everything/export/csv/",
}


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def client(user_with: UserWith) -> Client:
    """Somebody who may do everything with letters."""
    return client_of(user_with("view_deadletter", *(f"{name}_deadletter" for name in PAGES)))


@pytest.mark.parametrize("name", PAGES)
def test_each_page_needs_its_own_permission_and_that_to_look(name: str, user_with: UserWith) -> None:
    others = [f"{other}_deadletter" for other in PAGES if other != name]
    user = user_with("view_deadletter", *others)
    client = client_of(user)
    assert PAGES[name] not in client.get(LIST).content.decode()
    assert client.get(LIST + PAGES[name]).status_code == 403
    body = {"reason": "x", "asked_at": timezone.now().isoformat()}
    assert client.post(LIST + PAGES[name], body).status_code == 403
    User.objects.all().delete()
    blind = client_of(user_with(f"{name}_deadletter"))
    assert blind.get(LIST + PAGES[name]).status_code == 403
    assert blind.get(f"{LIST}groups/").status_code == 403
    assert not LetterJob.objects.exists()


@pytest.mark.parametrize("name", ["retry", "discard"])
def test_the_question_counts_what_the_filter_shows_and_freezes_filter_and_moment(client: Client, name: str) -> None:
    for _ in range(2):
        make_letter()
    make_letter(reason="other")
    url = f"{LIST}{PAGES[name]}?reason=check_violation"
    assert url.replace("&", "&amp;") in client.get(f"{LIST}?reason=check_violation").content.decode()
    question = client.get(url).context["question"]
    assert question.title == f"{name.capitalize()} 2 dead letters?"
    asked_at = question.form["asked_at"].value()
    response = client.post(url, {"asked_at": asked_at, "reason": "rubbish"})
    job = LetterJob.objects.get()
    assert response.url == f"{JOBS}{job.pk}/change/"
    assert (job.action, job.selection, job.created_by) == (name, {"reason": "check_violation"}, "clerk")
    assert job.frozen_at.isoformat() == asked_at
    assert "reason check_violation" in LogEntry.objects.get().change_message


def test_the_moment_is_never_in_the_future(client: Client) -> None:
    late = timezone.now() + timedelta(days=1)
    client.post(LIST + PAGES["retry"], {"asked_at": late.isoformat()})
    assert LetterJob.objects.get().frozen_at <= timezone.now()


def test_a_discard_of_everything_needs_a_reason(client: Client) -> None:
    response = client.post(LIST + PAGES["discard"], {"asked_at": timezone.now().isoformat(), "reason": " "})
    assert "This field is required" in response.content.decode()
    assert not LetterJob.objects.exists()


@pytest.mark.parametrize("format_", ["csv", "ndjson"])
def test_an_export_holds_what_the_filter_shows_and_is_logged(client: Client, format_: str) -> None:
    wanted, other = make_letter(), make_letter(reason="other")
    response = client.get(f"{LIST}everything/export/{format_}/?reason=check_violation")
    text = b"".join(response.streaming_content).decode()
    assert (str(wanted.pk) in text, str(other.pk) in text) == (True, False)
    assert response["Content-Disposition"].endswith(f'.{format_}"')
    assert LogEntry.objects.get().change_message == f"Exported as {format_}: reason check_violation."
    assert client.get(f"{LIST}everything/export/xls/").status_code == 404


def test_ticked_letters_are_exported_alone(client: Client) -> None:
    ticked, other = make_letter(), make_letter()
    response = client.post(LIST, {"action": "export_csv", "_selected_action": [str(ticked.pk)]})
    text = b"".join(response.streaming_content).decode()
    assert (str(ticked.pk) in text, str(other.pk) in text) == (True, False)
    assert LogEntry.objects.get().change_message == "Exported as csv: 1 ticked."


def test_the_page_of_groups_leads_to_their_letters(client: Client) -> None:
    assert b"No dead letter is open" in client.get(f"{LIST}groups/").content
    letter = make_letter(fingerprint="00ff")
    make_letter(fingerprint="11ee")
    assert f"{LIST}?fingerprint=00ff" in client.get(f"{LIST}groups/").content.decode()
    found = client.get(f"{LIST}?fingerprint=00ff").context["cl"].result_list
    assert [shown.pk for shown in found] == [letter.pk]


def test_a_job_shows_how_far_it_is_and_refreshes_while_it_goes_on(client: Client) -> None:
    job = redrive.start(LetterJob.Action.RETRY, Selection(), timezone.now(), "ada")
    LetterJob.objects.update(total=8, done=2, resolved=1, failed=1, status="running")
    response = client.get(f"{JOBS}{job.pk}/change/")
    assert (response["Refresh"], response.context["percent"]) == ("3", 25)
    assert b"2 of 8" in client.get(JOBS).content
    LetterJob.objects.update(status="done")
    assert "Refresh" not in client.get(f"{JOBS}{job.pk}/change/")


def test_a_job_is_cancelled_after_a_question_and_that_is_logged(client: Client) -> None:
    job = redrive.start(LetterJob.Action.RETRY, Selection(), timezone.now(), "ada")
    url = f"{JOBS}{job.pk}/cancel/"
    assert b"Cancel this job?" in client.get(url).content
    response = client.post(url)
    assert "The job is cancelled" in str(next(iter(get_messages(response.wsgi_request))))
    job.refresh_from_db()
    assert (job.status, LogEntry.objects.get().change_message) == ("cancelled", "Cancelled.")
    assert "had ended already" in str(list(get_messages(client.post(url).wsgi_request))[-1])


def test_a_job_is_cancelled_by_whoever_could_have_started_it(user_with: UserWith) -> None:
    job = redrive.start(LetterJob.Action.DISCARD, Selection(), timezone.now(), "ada", "rubbish")
    client = client_of(user_with("view_deadletter", "retry_deadletter"))
    assert f"{job.pk}/cancel/" not in client.get(f"{JOBS}{job.pk}/change/").content.decode()
    assert client.post(f"{JOBS}{job.pk}/cancel/").status_code == 403


def test_nobody_makes_or_changes_jobs_by_hand(client: Client) -> None:
    job = redrive.start(LetterJob.Action.RETRY, Selection(), timezone.now(), "ada")
    assert client.get(f"{JOBS}add/").status_code == 403
    assert client.post(f"{JOBS}{job.pk}/change/", {"status": "done"}).status_code == 403
    assert client.get(f"{JOBS}{job.pk}/delete/").status_code == 403
    assert client.get(f"{JOBS}not-a-uuid/cancel/").status_code == 404
    assert DeadLetter.objects.count() == 0
