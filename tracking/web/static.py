"""Static files under names that change with their contents, in scripts that import each other too."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStorage(CompressedManifestStaticFilesStorage):
    """Rewrites the imports of ES modules as well, so that a new version never runs with an old neighbour."""

    support_js_module_import_aggregation = True
