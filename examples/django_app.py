"""A Django project in one file, served by either of its interfaces: JSON, a form, a file, a stream.

prefork serve django_app:asgi --app-dir examples --workers max
prefork serve django_app:wsgi --app-dir examples --workers max --threads 10
curl http://127.0.0.1:8000/teas/green
curl -d name=white -d minutes=4 http://127.0.0.1:8000/teas
curl -F file=@README.md http://127.0.0.1:8000/form
curl -N http://127.0.0.1:8000/countdown/5

A project of your own has these two in `asgi.py` and `wsgi.py`, both called `application`.
"""

import hashlib
from collections.abc import AsyncIterator

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.files.uploadedfile import UploadedFile
from django.core.handlers.asgi import ASGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.http import require_POST

settings.configure(
    SECRET_KEY="only for this example",
    ALLOWED_HOSTS=["*"],  # whoever serves it to the world names its hosts
    ROOT_URLCONF=__name__,
    USE_TZ=True,
)
django.setup()
teas = {"green": 2, "black": 4}  # minutes; each worker has its own


def tea(_request: HttpRequest, name: str) -> JsonResponse:
    if name not in teas:
        return JsonResponse({"error": f"no tea called {name!r}"}, status=404)
    return JsonResponse({"name": name, "minutes": teas[name]})


def add_tea(request: HttpRequest) -> JsonResponse:
    name = request.POST["name"]
    teas[name] = int(request.POST["minutes"])
    return JsonResponse({"name": name, "minutes": teas[name]}, status=201)


def form(request: HttpRequest) -> HttpResponse:
    file = request.FILES["file"]
    if not isinstance(file, UploadedFile):
        return JsonResponse({"error": "one file is taken"}, status=400)
    sha256 = hashlib.sha256()
    for chunk in file.chunks():
        sha256.update(chunk)
    return JsonResponse({"sha256": sha256.hexdigest(), "size": file.size})


def countdown(request: HttpRequest, start: int) -> StreamingHttpResponse:
    lines = [*(f"{number}\n" for number in range(start, 0, -1)), "lift-off\n"]

    async def later() -> AsyncIterator[str]:
        for line in lines:
            yield line

    pieces = later() if isinstance(request, ASGIRequest) else iter(lines)
    return StreamingHttpResponse(pieces, content_type="text/plain")


urlpatterns = [
    path("teas", require_POST(add_tea)),
    path("teas/<str:name>", tea),
    path("form", require_POST(form)),
    path("countdown/<int:start>", countdown),
]
asgi = get_asgi_application()
wsgi = get_wsgi_application()
