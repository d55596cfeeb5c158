"""The admin's looks and habits: everything that knows unfold, except the pages themselves.

Here are the columns with units, the paginator that never counts, the mixin of pages that only show, the side bar, and
the pages of Django and of django-q2, registered anew with unfold's classes.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django_q.admin import FailAdmin, ScheduleAdmin, TaskAdmin
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator

from tracking.desk.badges import Shown, badges

APPS = ("tracking", "ingest", "resilience", "django_q", "auth")
ICONS = {
    "user": "person",
    "group": "group",
    "schedule": "schedule",
    "success": "task_alt",
    "failure": "error",
}


def column(field: str, heading: str, pattern: str = "{}") -> Callable[[Any], str]:
    """A column of a list: `field` written by `pattern` under `heading`, a dash where it is None or empty."""

    @display(description=heading, ordering=field)
    def shown(row: Any) -> str:
        value = getattr(row, field)
        value = value() if callable(value) else value
        return "-" if value is None or value == "" else pattern.format(value)

    shown.__name__ = field  # the cells' class
    return shown


def coded(field: str, heading: str, text_of: Callable[[Any], str | None]) -> Callable[[Any], str]:
    """A column of a list: what the code in `field` means, as `text_of` says it, a dash where that is None."""

    @display(description=heading, ordering=field)
    def shown(row: Any) -> str:
        return text_of(getattr(row, field)) or "-"

    shown.__name__ = f"{field}_text"
    return shown


def link(url: str, text: str) -> str:
    """A link that looks like one."""
    return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', url, text)


def moment(field: str, heading: str) -> Callable[[Any], str]:
    """A column of times in UTC, to the second."""
    return column(field, f"{heading} (UTC)", "{:%Y-%m-%d %H:%M:%S}")


class Uncounted(ModelAdmin):
    """A page for a table too large to be counted: pages are turned without knowing how many there are."""

    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # the button would count every choice of every filter
    list_per_page = 50
    sortable_by = ()
    actions = None


class ReadOnly(ModelAdmin):
    """A page that shows and changes nothing."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The side bar: what the user may see, by app, with the numbers of what waits there.

    A page's icon is its `icon` attribute.
    """
    apps = {app["app_label"]: app for app in admin.site.get_app_list(request)}
    order = [label for label in APPS if label in apps] + [label for label in apps if label not in APPS]
    overview = {
        "items": [
            {"title": "Overview", "icon": "dashboard", "link": reverse("admin:index")},
            {"title": "Live map", "icon": "map", "link": reverse("map"), "active": False},
            {"title": "Handbook", "icon": "menu_book", "link": reverse("handbook")},
        ]
    }
    numbers = badges(request.user)
    return [overview, *(_group(apps[label], numbers) for label in order)]


def _group(app: dict[str, Any], numbers: Mapping[str, Shown]) -> dict[str, Any]:
    items = [_item(model, numbers) for model in app["models"] if model["admin_url"]]
    return {"title": app["name"], "separator": True, "items": items}


def _item(model: dict[str, Any], numbers: Mapping[str, Shown]) -> dict[str, Any]:
    entry = {"title": model["name"], "icon": _icon(model["model"]), "link": model["admin_url"]}
    options = model["model"]._meta
    if shown := numbers.get(f"{options.app_label}_{options.model_name}"):
        entry |= {"badge": f"{shown['number']:,}", "badge_variant": shown["variant"]}
    return entry


def _icon(model: type[Model]) -> str:
    page = admin.site.get_model_admin(model)
    return getattr(page, "icon", ICONS.get(model._meta.model_name or "", "table_rows"))


class ThemedUserAdmin(UserAdmin, ModelAdmin):
    """Users, with unfold's forms. Who is no superuser gives nobody rights, and touches nobody who has more of them."""

    compressed_fields = False  # labels above the fields: the lists of permissions need the width
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Rights are given by superusers."""
        return () if request.user.is_superuser else ("is_superuser", "is_staff", "groups", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Else a new password would be the way to all that a user may do."""
        return super().has_change_permission(request, obj) and _outranks(request.user, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As with changes."""
        return super().has_delete_permission(request, obj) and _outranks(request.user, obj)


def _outranks(user: Any, other: Any) -> bool:
    """Whether there is nothing that the other may do and the user may not."""
    if other is None or user.is_superuser:
        return True
    return not other.is_superuser and other.get_all_permissions() <= user.get_all_permissions()


class ThemedGroupAdmin(GroupAdmin, ModelAdmin):
    """Groups. Superusers change them: what a group may do, everybody in it may."""

    compressed_fields = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)


class ThemedScheduleAdmin(ScheduleAdmin, ModelAdmin):
    """Schedules, for superusers only: a schedule names the function that workers call."""

    list_display = ["name", "func", "schedule_type", "minutes", "next_run", "get_last_run", "get_success"]
    list_display_links = ["name"]
    list_filter = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)


class ThemedSuccessAdmin(TaskAdmin, ModelAdmin):
    """Tasks that ended well. None are kept while save_limit is -1."""

    # django-q2's "resubmit" asks for no permission, and batches come again by themselves.
    actions = ()


class ThemedFailureAdmin(FailAdmin, ModelAdmin):
    """Tasks that raised: bugs, because failures of servers are handled by the tasks themselves."""

    actions = ()


def register() -> None:
    """Replace the pages of others. The queue table of django-q2 goes: the queue is in Redis."""
    pages = {
        User: ThemedUserAdmin,
        Group: ThemedGroupAdmin,
        Schedule: ThemedScheduleAdmin,
        Success: ThemedSuccessAdmin,
        Failure: ThemedFailureAdmin,
    }
    for model, page in pages.items():
        admin.site.unregister(model)
        admin.site.register(model, page)
    if admin.site.is_registered(OrmQ):
        admin.site.unregister(OrmQ)
