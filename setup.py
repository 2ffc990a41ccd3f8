"""The notebooks and editions lie beside the package in a checkout, and within it, as rag_lib/notebooks, once installed.

Everything else stands in pyproject.toml, whose lists of packages cannot say this.
"""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages(include=["rag_lib*"]), "rag_lib.notebooks", "rag_lib.notebooks.editions"],
    package_dir={"rag_lib.notebooks": "notebooks", "rag_lib.notebooks.editions": "notebooks/editions"},
)
